"""What MUSIQ sees of a picture: patches of it at three scales, and where each of them lies.

Source: J. Ke et al., "MUSIQ: Multi-scale Image Quality Transformer", ICCV 2021, arXiv:2108.05997, section 3, in the
details as google-research/google-research `musiq/model/preprocessing.py` (Apache-2.0), which rests on TensorFlow's
`tf.image.resize`, `tf.compat.v1.image.resize` and `tf.image.extract_patches`.
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from aimanga.errors import PictureError
from aimanga.tensors import weighted_sum

PATCH = 32
"""Side of a patch; patches do not overlap."""

GRID = 10
"""Side of the grid of learned spatial embeddings, onto which the patches of any picture are hashed."""

LONG_SIDES = (224, 384)
"""Long sides of the two resized copies; the third scale is the picture itself."""

# From here on the short side would be resized to nothing.
_ASPECT_LIMIT = 448

# TensorFlow's Gaussian for resizing: its support in source pixels to each side, and its deviation.
_RADIUS, _SIGMA = 1.5, 0.5


class Patches(NamedTuple):
    """The patches of one picture.

    Attributes:
        pixels: P x 3 x 32 x 32, row by row, the smallest scale first, the picture itself last.
        positions: P, int64: the place of each patch in the 10 x 10 grid, 10 `row` + `column`.
        scales: P, int64: 0 and 1 for the resized copies, 2 for the picture itself.
    """

    pixels: Tensor
    positions: Tensor
    scales: Tensor


def multiscale_patches(picture: Tensor) -> Patches:
    """Cut a picture into patches at its own size and resized to long sides of 224 and 384.

    Patches that do not fill their 32 x 32 pixels are filled with zeros, which is mid-gray. The original fills the
    sequence of each resized copy up to 49 and 144 patches too, and keeps those out of the attention; here they are
    left out, which gives the same score.

    Args:
        picture: 1 x 3 x H x W, float32, range [-1, 1]. Any size whose long side is less than 448 times the short
            one: small pictures are enlarged for the first two scales.

    Returns:
        At most 49 + 144 patches of the resized copies, and ceil(H / 32) x ceil(W / 32) of the picture.

    Raises:
        PictureError: The picture is empty or too narrow.
    """
    height, width = picture.shape[2:]
    if max(height, width) >= _ASPECT_LIMIT * min(height, width):
        raise PictureError(
            f"MUSIQ takes pictures from 1 x 1 on, with a long side of less than {_ASPECT_LIMIT} times the short one; "
            f"this one is {height} x {width}"
        )
    copies = [resize_gaussian(picture, *resized_size(height, width, side)) for side in LONG_SIDES]
    pixels, positions = [], []
    for copy in (*copies, picture):
        cut = cut_patches(copy)
        pixels.append(cut.flatten(0, 1))
        positions.append(hashed_positions(cut.shape[0], cut.shape[1]).to(picture.device))
    scales = [torch.full_like(places, scale) for scale, places in enumerate(positions)]
    return Patches(torch.cat(pixels), torch.cat(positions), torch.cat(scales))


def resized_size(height: int, width: int, long_side: int) -> tuple[int, int]:
    """The size of a picture whose long side is resized and whose aspect ratio is kept.

    Sides are rounded to the nearest, halves to even, and computed in float32 as TensorFlow does, so that they agree
    where the exact value is close to a half.

    Args:
        height: Height of the picture.
        width: Width of the picture.
        long_side: The wanted long side.

    Returns:
        Height and width.
    """
    ratio = np.float32(long_side) / np.float32(max(height, width))
    return int(np.rint(np.float32(height) * ratio)), int(np.rint(np.float32(width) * ratio))


def resize_gaussian(picture: Tensor, height: int, width: int) -> Tensor:
    """Resize as `tf.image.resize(method="gaussian")`: a Gaussian with a deviation of half a source pixel.

    The kernel is not widened for a reduction, so there is aliasing, and a "resize" to the same size blurs: MUSIQ has
    been trained on such pictures. Beyond the border there is nothing: the weights inside are made to sum to 1.

    Args:
        picture: N x C x H x W, any range, float32.
        height: The wanted height, at least 1.
        width: The wanted width, at least 1.

    Returns:
        N x C x `height` x `width`.
    """
    for axis, size in ((2, height), (3, width)):
        picture = weighted_sum(picture, axis, *_gaussian_taps(picture.shape[axis], size))
    return picture


def _gaussian_taps(length: int, size: int) -> tuple[Tensor, Tensor]:
    """The weights and places of the four source samples around each sample: both `size` x 4."""
    # In float32 and in the order of TensorFlow's kernel: a sample at the very end of the radius counts or does not.
    scale = torch.tensor(size, dtype=torch.float32) / length
    centre = (torch.arange(size, dtype=torch.float32) + 0.5) * (1 / scale)
    positions = torch.ceil(centre - (_RADIUS + 0.5))[:, None] + torch.arange(4)
    distance = (positions + 0.5 - centre[:, None]).abs()
    inside = (distance < _RADIUS) & (positions >= 0) & (positions < length)
    weights = torch.exp(-(distance**2) / (2 * _SIGMA**2)) * inside
    return weights / weights.sum(1, keepdim=True), positions.clamp(0, length - 1).long()


def cut_patches(picture: Tensor) -> Tensor:
    """Cut a picture into patches of 32 x 32, with zeros where it ends: half of them before it and half behind.

    Args:
        picture: 1 x C x H x W.

    Returns:
        Rows x columns x C x 32 x 32, a view of the padded picture.
    """
    top, bottom = same_padding(picture.shape[2], PATCH, PATCH)
    left, right = same_padding(picture.shape[3], PATCH, PATCH)
    padded = F.pad(picture[0], (left, right, top, bottom))
    return padded.unfold(1, PATCH, PATCH).unfold(2, PATCH, PATCH).permute(1, 2, 0, 3, 4)


def same_padding(length: int, window: int, stride: int) -> tuple[int, int]:
    """TensorFlow's and Flax's padding "SAME" along one axis: as many windows as ceil(length / stride).

    Args:
        length: Samples along the axis.
        window: Samples in a window.
        stride: Samples between windows.

    Returns:
        Samples to put before and behind; where their number is odd, one more behind.
    """
    missing = max((-(-length // stride) - 1) * stride + window - length, 0)
    return missing // 2, missing - missing // 2


def hashed_positions(rows: int, columns: int) -> Tensor:
    """The places of the patches of a picture in the 10 x 10 grid of spatial embeddings.

    Row i of R goes to row floor(10 i / R), likewise the columns: several patches share a place, or some places stay
    empty.

    Args:
        rows: Rows of patches.
        columns: Columns of patches.

    Returns:
        10 `row` + `column` for each patch, row by row: `rows` x `columns` numbers from 0 to 99, int64.
    """
    return (GRID * _hashed(rows)[:, None] + _hashed(columns)).flatten()


def _hashed(count: int) -> Tensor:
    # In float32, as TensorFlow: from 205 patches a side on, an exact 10 i / R can fall just below the integer.
    step = torch.tensor(GRID, dtype=torch.float32) / count
    return torch.floor(torch.arange(count, dtype=torch.float32) * step).long()
