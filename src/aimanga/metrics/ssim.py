"""SSIM: how alike brightness, contrast and structure are in every neighbourhood.

Source: Z. Wang, A. Bovik, H. Sheikh, E. Simoncelli, "Image quality assessment: from error visibility to structural
similarity", IEEE TIP 13(4), 2004, doi:10.1109/TIP.2003.819861.
"""

import math

import torch
from torch import Tensor

from aimanga.metrics.compared import Channel, compared_strips
from aimanga.tensors import filtered

_TAPS = 11
_WINDOW = [math.exp(-0.5 * (tap / 1.5) ** 2) for tap in range(-(_TAPS // 2), _TAPS // 2 + 1)]
_WINDOW = [tap / sum(_WINDOW) for tap in _WINDOW]

# For levels up to 255, with the paper's 0.01 and 0.03.
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim(pictures: Tensor, references: Tensor, *, channel: Channel = "y", shave: int = 4) -> Tensor:
    """Compute the mean structural similarity; higher is better, 1 for equal pictures.

    The window is Gaussian, 11 x 11 taps with a deviation of 1.5, and lies whole in the picture. By default as
    super-resolution x4 is measured, NTIRE's challenge included: see `aimanga.metrics.psnr`.

    Args:
        pictures: N x 3 x H x W, range [0, 1].
        references: Likewise.
        channel: "y", or "rgb" for the mean over all three channels.
        shave: How many pixels are cut off each border, after the sizes were cut to a multiple of it.

    Returns:
        N similarities, float64, up to 1.

    Raises:
        PictureError: The pictures differ in size, or less than 11 x 11 pixels are left of them.
    """
    total = torch.zeros(len(pictures), dtype=torch.float64, device=pictures.device)
    count = 0
    for strips in compared_strips(pictures, references, channel, shave, window=_TAPS):
        x, y = (strip.flatten(0, 1) for strip in strips)
        mean_x, mean_y = filtered(x, _WINDOW), filtered(y, _WINDOW)
        # The squares of both at once: SSIM needs only the sum of the two variances. In this order both terms of equal
        # pictures are rounded alike, and their similarity is 1, not nearly 1.
        variances = filtered(x * x + y * y, _WINDOW) - (mean_x**2 + mean_y**2)
        covariance = filtered(x * y, _WINDOW) - mean_x * mean_y
        brightness = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
        similarity = brightness * (2 * covariance + _C2) / (variances + _C2)
        total += similarity.view(len(pictures), -1).sum(1)
        count += similarity.numel() // len(pictures)
    return total / count
