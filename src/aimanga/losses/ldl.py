"""The LDL loss: an L1 loss on pixels that look like artifacts rather than detail.

Source: J. Liang, H. Zeng, L. Zhang, "Details or Artifacts: A Locally Discriminative Learning Approach to Realistic
Image Super-Resolution", CVPR 2022, arXiv:2203.09195, section 3.

With r the residual of the generator's picture and s that of its EMA's picture, each the sum over the channels of the
absolute differences from the target:

- v: the variance of r in a window around each pixel, with the border mirrored (the border sample is not repeated).
- p: the variance of r over the whole picture, to the power 1/5; it stabilises the scale of the map during training.
- map = p v, but 0 wherever r < s: there the generator is already closer to the target than its EMA.
- loss = mean |map x - map target|. The map has no gradient.

Both variances are unbiased (divided by the number of samples less one).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from aimanga.losses.operands import matched


def ldl(x: Tensor, target: Tensor, averaged: Tensor, *, window: int = 7) -> Tensor:
    """Compute the L1 loss weighted by the artifact map.

    Args:
        x: N x C x H x W, range [0, 1]: the generator's pictures.
        target: Likewise.
        averaged: Likewise: the pictures of the generator's EMA.
        window: Side of the window of the local variance: odd, at least 3, less than twice the smaller side.

    Returns:
        0-dim, float32 (float64 of float64), 0 for equal pictures.

    Raises:
        ValueError: The shapes differ, or the window is even or too large for the pictures.
    """
    x, target, averaged = matched(x, target, averaged)
    weights = artifact_map(x, target, averaged, window=window)
    # The map is never negative: |map x - map target| = map |x - target|.
    return (weights * (x - target).abs()).mean()


def artifact_map(x: Tensor, target: Tensor, averaged: Tensor, *, window: int = 7) -> Tensor:
    """Compute how much each pixel looks like an artifact, by the formula above.

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
        raise ValueError(f"the window of the variance must be odd and 3 or more pixels wide, not {window}")
    if min(x.shape[2:]) <= window // 2:
        raise ValueError(f"a window of {window} pixels needs pictures of {window // 2 + 1} or more, not {x.shape[2:]}")
    with torch.no_grad():
        residual = (x - target).abs().sum(1, keepdim=True)
        steady = (averaged - target).abs().sum(1, keepdim=True)
        spread = residual.var((1, 2, 3), keepdim=True) ** (1 / 5)
        weights = spread * _local_variance(residual, window)
        return weights.masked_fill(residual < steady, 0)


def _local_variance(x: Tensor, window: int) -> Tensor:
    """The variance in a window around each pixel of N x 1 x H x W, with mirrored borders."""
    # With a mean near zero, little precision is lost in the difference of the two moments below.
    centred = x - x.mean((2, 3), keepdim=True)
    padded = F.pad(centred, (window // 2,) * 4, mode="reflect")
    mean = F.avg_pool2d(padded, window, stride=1)
    mean_square = F.avg_pool2d(padded.square(), window, stride=1)
    count = window * window
    return (mean_square - mean.square()).clamp_min(0) * (count / (count - 1))
