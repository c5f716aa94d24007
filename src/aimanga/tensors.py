"""Tensors of pictures: conversion, rounding, luma, and a resize that agrees with MATLAB's `imresize`.

Unless said otherwise, a tensor is NCHW, float32, range [0, 1], RGB.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def from_array(array: npt.NDArray[Any]) -> Tensor:
    """Convert stored samples to a tensor.

    Args:
        array: H x W x C, uint8 or uint16.

    Returns:
        1 x C x H x W, float32, range [0, 1].

    Raises:
        TypeError: The samples have another type.
    """
    top = sample_maximum(array.dtype)
    # Converted by numpy: torch has no arithmetic for uint16.
    planes = np.ascontiguousarray(array.transpose(2, 0, 1), dtype=np.float32)
    return torch.from_numpy(planes)[None].div_(top)


def to_array(tensor: Tensor, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Convert a tensor to stored samples: clipped to [0, 1] and rounded to the nearest, halves up.

    Args:
        tensor: 1 x C x H x W, float32.
        dtype: `numpy.uint8` or `numpy.uint16`.

    Returns:
        H x W x C of that type, contiguous.

    Raises:
        TypeError: `dtype` is another type.
    """
    top = sample_maximum(dtype)
    levels = tensor[0].detach().clamp(0, 1).mul_(top).add_(0.5).floor_()
    if top == 255:
        return levels.to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()
    # Converted by numpy: torch has no arithmetic for uint16.
    return np.ascontiguousarray(levels.permute(1, 2, 0).cpu().numpy(), np.uint16)


def sample_maximum(dtype: npt.DTypeLike) -> int:
    """The stored value of 1.0: 255 for uint8, 65535 for uint16.

    Raises:
        TypeError: The type is neither.
    """
    kind = np.dtype(dtype)
    if kind not in (np.uint8, np.uint16):
        raise TypeError(f"samples are uint8 or uint16, not {kind}")
    return int(np.iinfo(kind).max)


def luma(rgb: Tensor) -> Tensor:
    """Y of BT.601 in video range: the channel of PSNR and SSIM in the literature.

    Y = (16 + 65.481 R + 128.553 G + 24.966 B) / 255 (ITU-R BT.601-7, as MATLAB's `rgb2ycbcr`).

    Args:
        rgb: N x 3 x H x W, range [0, 1].

    Returns:
        N x 1 x H x W, range [16/255, 235/255].
    """
    weights = rgb.new_tensor([65.481, 128.553, 24.966]).view(1, 3, 1, 1)
    return ((rgb * weights).sum(1, keepdim=True) + 16) / 255


def gray(rgb: Tensor) -> Tensor:
    """Convert to gray, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601-7), in full range.

    Args:
        rgb: N x 3 x H x W, any range.

    Returns:
        N x 1 x H x W, the same range.
    """
    weights = rgb.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (rgb * weights).sum(1, keepdim=True)


def resize(picture: Tensor, height: int, width: int) -> Tensor:
    """Bicubic resize that agrees with MATLAB's `imresize`, in floating point.

    Keys' cubic with a = -0.5. To reduce, the kernel is widened by the factor against aliasing. Borders are mirrored
    with the border sample repeated. The height is resized first, as in MATLAB for equal factors. The result is not
    clipped: a cubic overshoots at edges.

    Source: R. Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 29(6), 1981.

    Args:
        picture: N x C x H x W, any range, float32 or float64.
        height: The new height, at least 1.
        width: The new width, at least 1.

    Returns:
        N x C x `height` x `width` of the same type.
    """
    for axis, size in ((2, height), (3, width)):
        if picture.shape[axis] != size:
            picture = weighted_sum(picture, axis, *cubic_taps(picture.shape[axis], size))
    return picture


def gaussian_taps(count: int, deviation: float) -> list[float]:
    """An odd number of samples of a Gaussian around its mean, normalized to sum to 1."""
    taps = [math.exp(-0.5 * (tap / deviation) ** 2) for tap in range(-(count // 2), count // 2 + 1)]
    return [tap / sum(taps) for tap in taps]


def filtered(x: Tensor, taps: Sequence[float]) -> Tensor:
    """Filter rows and columns with the same symmetric taps, without padding.

    With one channel and few taps, shifted sums are faster than any convolution, and as exact in float64.

    Args:
        x: N x H x W.
        taps: An odd number of taps.

    Returns:
        N x (H - taps + 1) x (W - taps + 1).
    """
    reach = len(taps) // 2
    for axis in (1, 2):
        length = x.shape[axis] - 2 * reach
        result = x.narrow(axis, reach, length) * taps[reach]
        for tap in range(reach):
            pair = x.narrow(axis, tap, length) + x.narrow(axis, 2 * reach - tap, length)
            result.add_(pair, alpha=taps[tap])
        x = result
    return x


def hann_power(blocks: Tensor) -> Tensor:
    """The power spectra of square blocks under a Hann window of unit energy: s^2 for white noise of deviation s.

    Args:
        blocks: ... x side x side, float32 or float64, any range.

    Returns:
        The same shape and type; place (i, j) is i cycles a block down and j across.
    """
    line = torch.hann_window(blocks.shape[-1], dtype=blocks.dtype, device=blocks.device)
    window = line[:, None] * line
    spectra = torch.view_as_real(torch.fft.fft2(blocks * (window / window.norm())))
    return spectra.square().sum(-1)


def grid_frequencies(side: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The frequencies of a 2 x 2 grid, and those of a 4 x 4 grid that it has beside them.

    Args:
        side: Of a block in pixels, a multiple of 4.

    Returns:
        Places (down, across) in a spectrum, in cycles a block. A real spectrum is symmetric about 0: half is enough.
    """
    half, quarter = side // 2, side // 4
    two = [(0, half), (half, 0), (half, half)]
    four = [(0, quarter), (quarter, 0), (quarter, quarter), (quarter, -quarter), (quarter, half), (half, quarter)]
    return two, four


def weighted_sum(picture: Tensor, axis: int, weights: Tensor, sources: Tensor) -> Tensor:
    """Compute each sample along an axis as a weighted sum of a few samples.

    Args:
        picture: N x C x H x W.
        axis: 2 or 3.
        weights: samples x taps.
        sources: samples x taps: the position along the axis that each tap reads.

    Returns:
        The picture with `len(weights)` samples along the axis.
    """
    shape = [1, 1, 1, 1]
    shape[axis] = len(weights)
    result = None
    # Tap by tap: gathering all taps at once would need as many times the memory.
    for weight, source in zip(weights.to(picture).unbind(1), sources.to(picture.device).unbind(1), strict=True):
        term = picture.index_select(axis, source).mul_(weight.view(shape))
        result = term if result is None else result.add_(term)
    assert result is not None  # there is always at least one tap
    return result


@lru_cache(maxsize=64)
def cubic_taps(length: int, size: int, scale: float | None = None) -> tuple[Tensor, Tensor]:
    """The weights (float64) and positions (int64) of the source samples of each sample that `resize` computes.

    Args:
        length: Number of source samples along the axis.
        size: Number of samples of the result.
        scale: The factor, as MATLAB uses it if one is given: `imresize(x, 0.5)` of 101 samples returns 51 that are 2
            apart. By default size / length, as if a size is given.

    Returns:
        Both `size` x taps.
    """
    scale = scale or size / length
    stretch = max(1.0, 1.0 / scale)
    centre = (torch.arange(size, dtype=torch.float64) + 0.5) / scale - 0.5
    taps = math.ceil(4 * stretch) + 2
    first = torch.floor(centre - 2 * stretch).to(torch.int64)
    positions = first[:, None] + torch.arange(taps)
    distance = ((centre[:, None] - positions) / stretch).abs()
    weights = torch.where(
        distance <= 1,
        (1.5 * distance - 2.5) * distance**2 + 1,
        torch.where(distance <= 2, ((2.5 - 0.5 * distance) * distance - 4) * distance + 2, 0.0),
    )
    weights /= weights.sum(1, keepdim=True)
    used = weights.abs().amax(0) > 0
    mirrored = positions.remainder(2 * length)
    mirrored = torch.where(mirrored < length, mirrored, 2 * length - 1 - mirrored)
    return weights[:, used], mirrored[:, used]
