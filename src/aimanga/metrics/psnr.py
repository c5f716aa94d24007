"""PSNR: the largest possible error over the root mean squared one, in decibels."""

import torch
from torch import Tensor

from aimanga.metrics.compared import Channel, compared_strips


def psnr(pictures: Tensor, references: Tensor, *, channel: Channel = "y", shave: int = 4) -> Tensor:
    """Compute the peak signal-to-noise ratio, 10 log10(255^2 / mean squared error); higher is better.

    By default as super-resolution x4 is measured, NTIRE's challenge included: Y of BT.601 in video range, not rounded;
    sizes cut to multiples of 4, then 4 pixels off each border.

    Args:
        pictures: N x 3 x H x W, range [0, 1].
        references: Likewise.
        channel: "y", or "rgb" for the mean over all three channels.
        shave: How many pixels are cut off each border, after the sizes were cut to a multiple of it.

    Returns:
        N ratios in dB, float64; infinite for equal pictures.

    Raises:
        PictureError: The pictures differ in size, or nothing is left of them.
    """
    squares = torch.zeros(len(pictures), dtype=torch.float64, device=pictures.device)
    count = 0
    for x, y in compared_strips(pictures, references, channel, shave):
        squares += (x - y).square().sum((1, 2, 3))
        count += x[0].numel()
    return 10 * torch.log10(255**2 * count / squares)
