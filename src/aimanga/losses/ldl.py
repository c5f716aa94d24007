"""Locally discriminative learning: where a difference looks like an artifact, it costs; where it may be detail, not.

Source: J. Liang, H. Zeng, L. Zhang, "Details or Artifacts: A Locally Discriminative Learning Approach to Realistic
Image Super-Resolution", CVPR 2022, arXiv:2203.09195, section 3.

What is computed, with r the residual of the picture and s that of the averaged network's picture, each the sum over
the channels of the absolute differences from the target:

- v: the variance of r in a window around each pixel. The window's samples beyond the border are mirrored, the border
  sample not repeated.
- p: the variance of r over the whole picture, to the power 1/5: how much of the picture is not yet right. It steadies
  the scale of the map over the training.
- map = p v, but 0 wherever r < s: there the network in training is already closer to the target than its average.
- loss = mean |map x - map target|, over all samples. The map is a constant: no gradient passes through it.

Both variances are those of samples (divided by their number less one).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from aimanga.losses.operands import matched


def ldl(x: Tensor, target: Tensor, averaged: Tensor, *, window: int = 7) -> Tensor:
    """Compute the mean absolute difference, weighted by how much it looks like an artifact.

    Args:
        x: N x C x H x W, range [0, 1]: what the network in training makes.
        target: Likewise.
        averaged: Likewise: what its exponential moving average makes of the same.
        window: Side of the square in which the variance is taken, odd, 3 or more, less than twice the smaller side.

    Returns:
        0-dim, float32 (float64 of float64), 0 for equal pictures.

    Raises:
        ValueError: The shapes differ, or the window is even or does not fit to the pictures.
    """
    x, target, averaged = matched(x, target, averaged)
    weights = artifact_map(x, target, averaged, window=window)
    # The map is nowhere negative: the difference of the products is the product of the difference.
    return (weights * (x - target).abs()).mean()


def artifact_map(x: Tensor, target: Tensor, averaged: Tensor, *, window: int = 7) -> Tensor:
    """Tell how much each pixel looks like an artifact; see this module's formula.

    Args:
        x: As `ldl` takes it.
        target: As `ldl` takes it.
        averaged: As `ldl` takes it.
        window: As `ldl` takes it.

    Returns:
        N x 1 x H x W, float32 (float64 of float64), at least 0, without a gradient.

    Raises:
        ValueError: As `ldl` raises it.
    """
    x, target, averaged = matched(x, target, averaged)
    if window < 3 or window % 2 == 0:
        raise ValueError(f"the window of the variance is odd and 3 or more pixels wide, not {window}")
    if min(x.shape[2:]) <= window // 2:
        raise ValueError(f"a window of {window} pixels takes pictures of {window // 2 + 1} or more, not {x.shape[2:]}")
    with torch.no_grad():
        residual = (x - target).abs().sum(1, keepdim=True)
        steady = (averaged - target).abs().sum(1, keepdim=True)
        spread = residual.var((1, 2, 3), keepdim=True) ** (1 / 5)
        weights = spread * _local_variance(residual, window)
        return weights.masked_fill(residual < steady, 0)


def _local_variance(x: Tensor, window: int) -> Tensor:
    """The variance in a square around each pixel of N x 1 x H x W, borders mirrored."""
    # Of a mean near zero the square takes few digits from the difference of the two moments below.
    centred = x - x.mean((2, 3), keepdim=True)
    padded = F.pad(centred, (window // 2,) * 4, mode="reflect")
    mean = F.avg_pool2d(padded, window, stride=1)
    mean_square = F.avg_pool2d(padded.square(), window, stride=1)
    count = window * window
    return (mean_square - mean.square()).clamp_min(0) * (count / (count - 1))
