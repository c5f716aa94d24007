"""PSNR: the peak signal-to-noise ratio, in decibels."""

import torch
from torch import Tensor

from aimanga.metrics.compared import Channel, compared_strips


def psnr(pictures: Tensor, references: Tensor, *, channel: Channel = "y", shave: int = 4) -> Tensor:
    """Compute the peak signal-to-noise ratio, 10 log10(255^2 / mean squared error); higher is better.

    The defaults are the protocol of x4 super-resolution, NTIRE's challenge included: Y of BT.601 in video range, not
    rounded; sizes cropped to multiples of 4, then 4 pixels shaved off each border.

    Args:
        pictures: N x 3 x H x W, range [0, 1].
        references: Likewise.
        channel: "y", or "rgb" for the mean over all three channels.
        shave: Pixels to remove at each border, after the sizes are cropped to a multiple of it.

    Returns:
        N ratios in dB, float64; infinite for equal pictures.

    Raises:
        PictureError: The sizes differ, or nothing remains after shaving.
    """
    squares = torch.zeros(len(pictures), dtype=torch.float64, device=pictures.device)
    count = 0
    for x, y in compared_strips(pictures, references, channel, shave):
        squares += (x - y).square().sum((1, 2, 3))
        count += x[0].numel()
    return 10 * torch.log10(255**2 * count / squares)
