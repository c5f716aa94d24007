"""SSIM: the structural similarity of luminance, contrast and structure in local windows.

Source: Z. Wang, A. Bovik, H. Sheikh, E. Simoncelli, "Image quality assessment: from error visibility to structural
similarity", IEEE TIP 13(4), 2004, doi:10.1109/TIP.2003.819861.
"""

import torch
from torch import Tensor

from aimanga.metrics.compared import Channel, compared_strips
from aimanga.tensors import filtered, gaussian_taps

_TAPS = 11
_WINDOW = gaussian_taps(_TAPS, 1.5)

# The paper's constants 0.01 and 0.03, for levels up to 255.
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim(pictures: Tensor, references: Tensor, *, channel: Channel = "y", shave: int = 4) -> Tensor:
    """Compute the mean structural similarity; higher is better, 1 for equal pictures.

    The window is a Gaussian of 11 x 11 taps with a standard deviation of 1.5; only windows inside the picture count.
    The defaults are the protocol of x4 super-resolution, NTIRE's challenge included: see `aimanga.metrics.psnr`.

    Args:
        pictures: N x 3 x H x W, range [0, 1].
        references: Likewise.
        channel: "y", or "rgb" for the mean over all three channels.
        shave: Pixels to remove at each border, after the sizes are cropped to a multiple of it.

    Returns:
        N similarities, float64, up to 1.

    Raises:
        PictureError: The sizes differ, or less than 11 x 11 pixels remain after shaving.
    """
    total = torch.zeros(len(pictures), dtype=torch.float64, device=pictures.device)
    count = 0
    for strips in compared_strips(pictures, references, channel, shave, window=_TAPS):
        x, y = (strip.flatten(0, 1) for strip in strips)
        mean_x, mean_y = filtered(x, _WINDOW), filtered(y, _WINDOW)
        # Only the sum of both variances is needed. In this order both terms of equal pictures are rounded alike, and
        # their similarity is exactly 1.
        variances = filtered(x * x + y * y, _WINDOW) - (mean_x**2 + mean_y**2)
        covariance = filtered(x * y, _WINDOW) - mean_x * mean_y
        luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
        similarity = luminance * (2 * covariance + _C2) / (variances + _C2)
        total += similarity.view(len(pictures), -1).sum(1)
        count += similarity.numel() // len(pictures)
    return total / count
