"""How far the colours of two pictures lie apart, whatever their detail."""

import torch.nn.functional as F
from torch import Tensor

from aimanga.losses.operands import matched


def colour_consistency(x: Tensor, target: Tensor, *, factor: int = 16) -> Tensor:
    """Compute the mean absolute difference of the pictures' means over squares.

    A square's mean knows its colour and nothing else: texture that differs within and cancels out costs nothing, while
    a shift of colour costs its whole height. So colours must agree, and detail is free. A Gaussian blur would tell
    nearly the same at many times the cost; pooling reads every pixel once and needs nothing beyond the border.

    Args:
        x: N x C x H x W, range [0, 1].
        target: Likewise.
        factor: Side of the squares in pixels. Where a side of the picture is no multiple of it, the last squares are
            cut off at the border and count as much as whole ones; a side below it has one.

    Returns:
        0-dim, float32 (float64 of float64), 0 for pictures with equal means.

    Raises:
        ValueError: The shapes differ, or `factor` is below 1.
    """
    if factor < 1:
        raise ValueError(f"the squares are 1 or more pixels wide, not {factor}")
    x, target = matched(x, target)
    # The mean is linear: one of the difference is the difference of two.
    return F.avg_pool2d(x - target, factor, ceil_mode=True, count_include_pad=False).abs().mean()
