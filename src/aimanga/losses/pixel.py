"""Pixel losses: L1 and Charbonnier.

Sources: P. Charbonnier et al., "Two deterministic half-quadratic regularization algorithms for computed imaging", ICIP
1994, doi:10.1109/ICIP.1994.413553; W.-S. Lai et al., "Deep Laplacian Pyramid Networks for Fast and Accurate
Super-Resolution", CVPR 2017, arXiv:1704.03915 (as a loss, and its epsilon).
"""

from torch import Tensor

from aimanga.losses.operands import matched


def l1(x: Tensor, target: Tensor) -> Tensor:
    """Compute the L1 loss, mean |x - target|.

    Args:
        x: N x C x H x W, any range.
        target: Likewise.

    Returns:
        0-dim, float32 (float64 of float64), 0 for equal pictures.

    Raises:
        ValueError: The shapes differ.
    """
    x, target = matched(x, target)
    return (x - target).abs().mean()


def charbonnier(x: Tensor, target: Tensor, *, epsilon: float = 1e-3) -> Tensor:
    """Compute the Charbonnier loss, an L1 loss that is smooth at zero: mean sqrt((x - target)^2 + epsilon^2).

    Args:
        x: N x C x H x W, any range.
        target: Likewise.
        epsilon: Above 0; smaller differences count quadratically, larger ones linearly.

    Returns:
        0-dim, float32 (float64 of float64), `epsilon` for equal pictures.

    Raises:
        ValueError: The shapes differ, or `epsilon` is not above 0.
    """
    if epsilon <= 0:
        # The square root has no derivative at zero: the gradients of equal samples would be NaN.
        raise ValueError(f"the epsilon of the Charbonnier loss must be above 0, not {epsilon:g}")
    x, target = matched(x, target)
    return ((x - target).square() + epsilon**2).sqrt().mean()
