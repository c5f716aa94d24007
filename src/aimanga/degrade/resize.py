"""Resize pictures as programs do.

Sources: R. Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 29(6), 1981; C. Duchon,
"Lanczos filtering in one and two dimensions", J. Applied Meteorology 18, 1979.
"""

from functools import lru_cache
from typing import get_args

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from aimanga.degrade.recipe import ResizeMode
from aimanga.tensors import cubic_taps, weighted_sum


def resize(x: Tensor, height: int, width: int, mode: ResizeMode) -> Tensor:
    """Resize a batch.

    "bilinear" and "bicubic" (a = -0.75) interpolate between the nearest pixels at any factor, so they alias when
    downscaling, as the published degradations and many programs do; "area" averages; "lanczos" (three lobes) and
    "matlab" (MATLAB's bicubic `imresize` on 8 bits) are antialiased.

    Args:
        x: N x C x H x W.
        height: The wanted height.
        width: The wanted width.
        mode: How.

    Returns:
        N x C x height x width, not clipped: cubics and Lanczos overshoot at edges.

    Raises:
        ValueError: There is no such mode.
    """
    if mode not in get_args(ResizeMode):
        raise ValueError(f"{mode}: pictures are resized by {', '.join(get_args(ResizeMode))}")
    if (height, width) == tuple(x.shape[2:]):
        return x
    if mode == "matlab":
        return _matlab(x * 255, height, width).to(x.dtype) / 255
    if mode == "lanczos":
        for axis, size in ((2, height), (3, width)):
            if x.shape[axis] != size:
                x = weighted_sum(x, axis, *_lanczos_taps(x.shape[axis], size))
        return x
    if mode == "area":
        return F.interpolate(x, (height, width), mode="area")
    return F.interpolate(x, (height, width), mode=mode, align_corners=False)


def imresize(pixels: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """MATLAB's bicubic `imresize` of 8-bit pictures, byte for byte: the LR pictures of the literature.

    MATLAB works along one axis first, the one that shrinks more, or the rows where both shrink alike; rounds to 8 bits;
    and then along the other one. `aimanga.tensors.resize` is the same without rounding.

    Args:
        pixels: H x W x C, uint8.
        height: The wanted height.
        width: The wanted width.

    Returns:
        height x width x C, uint8.
    """
    x = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
    return _matlab(x, height, width)[0].permute(1, 2, 0).to(torch.uint8).contiguous().numpy()


def _matlab(levels: Tensor, height: int, width: int) -> Tensor:
    """Resize levels of 255; float64, since a sum that should be a half must not fall short of it."""
    levels = levels.double().round()
    axes = sorted(((2, height), (3, width)), key=lambda axis: axis[1] / levels.shape[axis[0]])
    for axis, size in axes:
        if levels.shape[axis] != size:
            levels = weighted_sum(levels, axis, *cubic_taps(levels.shape[axis], size))
            levels = levels.add_(0.5).floor_().clamp_(0, 255)
    return levels


@lru_cache(maxsize=64)
def _lanczos_taps(length: int, size: int) -> tuple[Tensor, Tensor]:
    """Weights and places of the source samples, as `cubic_taps` gives them; the border sample is repeated."""
    scale = size / length
    stretch = max(1.0, 1 / scale)
    centre = (torch.arange(size, dtype=torch.float64) + 0.5) / scale - 0.5
    first = torch.floor(centre - 3 * stretch).long()
    positions = first[:, None] + torch.arange(int(6 * stretch) + 2)
    distance = (centre[:, None] - positions) / stretch
    weights = torch.special.sinc(distance) * torch.special.sinc(distance / 3) * (distance.abs() < 3)
    weights /= weights.sum(1, keepdim=True)
    return weights, positions.clamp(0, length - 1)
