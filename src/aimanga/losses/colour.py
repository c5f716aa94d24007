"""The colour loss: the L1 distance of local means."""

import torch.nn.functional as F
from torch import Tensor

from aimanga.losses.operands import matched


def colour_consistency(x: Tensor, target: Tensor, *, factor: int = 16) -> Tensor:
    """Compute the L1 distance of the average-pooled pictures.

    A local mean depends on colour alone: a colour shift costs its full size, and detail that averages out costs
    nothing. A Gaussian blur would do nearly the same at many times the cost, and needs padding.

    Args:
        x: N x C x H x W, range [0, 1].
        target: Likewise.
        factor: Side of the pooling window in pixels. If the size is not a multiple of it, the windows at the border
            are smaller and count as much as the others.

    Returns:
        0-dim, float32 (float64 of float64), 0 for equal local means.

    Raises:
        ValueError: The shapes differ, or `factor` is below 1.
    """
    if factor < 1:
        raise ValueError(f"the pooling window has 1 pixel or more, not {factor}")
    x, target = matched(x, target)
    # Pooling is linear: one pooling of the difference is enough.
    return F.avg_pool2d(x - target, factor, ceil_mode=True, count_include_pad=False).abs().mean()
