"""The input of MUSIQ: the patches of a picture at three scales, and their positions.

Source: J. Ke et al., "MUSIQ: Multi-scale Image Quality Transformer", ICCV 2021, arXiv:2108.05997, section 3, in the
details as google-research/google-research `musiq/model/preprocessing.py` (Apache-2.0), which uses TensorFlow's
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
"""Side of the grid of learned positional embeddings, to which patches are hashed."""

LONG_SIDES = (224, 384)
"""Long sides of the two resized copies; the third scale is the picture itself."""

# From this aspect ratio on, the short side would be resized to 0.
_ASPECT_LIMIT = 448

# TensorFlow's Gaussian for resizing: its radius and standard deviation in source pixels.
_RADIUS, _SIGMA = 1.5, 0.5


class Patches(NamedTuple):
    """The patches of one picture.

    Attributes:
        pixels: P x 3 x 32 x 32, in row-major order, the smallest scale first, the picture itself last.
        positions: P, int64: the position of each patch in the 10 x 10 grid, 10 `row` + `column`.
        scales: P, int64: 0 and 1 for the resized copies, 2 for the picture itself.
    """

    pixels: Tensor
    positions: Tensor
    scales: Tensor


def multiscale_patches(picture: Tensor) -> Patches:
    """Cut a picture into patches at its own size and resized to long sides of 224 and 384.

    Partial patches are padded with zeros, which is mid-gray. The original also pads the sequences of both resized
    copies to 49 and 144 patches and masks the padding in the attention; without it the score is the same.

    Args:
        picture: 1 x 3 x H x W, float32, range [-1, 1]; the long side is less than 448 times the short one. Small
            pictures are enlarged for the first two scales.

    Returns:
        At most 49 + 144 patches of the resized copies, and ceil(H / 32) x ceil(W / 32) of the picture.

    Raises:
        PictureError: The picture is empty or too narrow.
    """
    height, width = picture.shape[2:]
    if max(height, width) >= _ASPECT_LIMIT * min(height, width):
        raise PictureError(
            f"MUSIQ takes pictures whose long side is less than {_ASPECT_LIMIT} times the short one; "
            f"this one has {width} x {height} pixels"
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
    """The size of a picture that is resized to a long side with its aspect ratio kept.

    Sides are computed in float32 and rounded half to even, as in TensorFlow: they agree even if the exact value is
    close to a half.

    Args:
        height: Height of the picture.
        width: Width of the picture.
        long_side: The new long side.

    Returns:
        Height and width.
    """
    ratio = np.float32(long_side) / np.float32(max(height, width))
    return int(np.rint(np.float32(height) * ratio)), int(np.rint(np.float32(width) * ratio))


def resize_gaussian(picture: Tensor, height: int, width: int) -> Tensor:
    """Resize like `tf.image.resize(method="gaussian")`: a Gaussian with a standard deviation of half a source pixel.

    The kernel is not widened to reduce a picture, so there is aliasing, and a resize to the same size blurs: MUSIQ was
    trained on such pictures. At the border the weights inside the picture are normalized to sum to 1.

    Args:
        picture: N x C x H x W, any range, float32.
        height: The new height, at least 1.
        width: The new width, at least 1.

    Returns:
        N x C x `height` x `width`.
    """
    for axis, size in ((2, height), (3, width)):
        picture = weighted_sum(picture, axis, *_gaussian_taps(picture.shape[axis], size))
    return picture


def _gaussian_taps(length: int, size: int) -> tuple[Tensor, Tensor]:
    """The weights and positions of the four source samples of each sample: both `size` x 4."""
    # In float32 and in the order of TensorFlow's kernel, which decides whether samples at the very radius count.
    scale = torch.tensor(size, dtype=torch.float32) / length
    centre = (torch.arange(size, dtype=torch.float32) + 0.5) * (1 / scale)
    positions = torch.ceil(centre - (_RADIUS + 0.5))[:, None] + torch.arange(4)
    distance = (positions + 0.5 - centre[:, None]).abs()
    inside = (distance < _RADIUS) & (positions >= 0) & (positions < length)
    weights = torch.exp(-(distance**2) / (2 * _SIGMA**2)) * inside
    return weights / weights.sum(1, keepdim=True), positions.clamp(0, length - 1).long()


def cut_patches(picture: Tensor) -> Tensor:
    """Cut a picture into patches of 32 x 32, padded with zeros, half of them on each side.

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
        Samples to pad before and after; if their sum is odd, one more after.
    """
    missing = max((-(-length // stride) - 1) * stride + window - length, 0)
    return missing // 2, missing - missing // 2


def hashed_positions(rows: int, columns: int) -> Tensor:
    """The positions of the patches of a picture in the 10 x 10 grid of positional embeddings.

    Row i of R is hashed to row floor(10 i / R), and columns likewise: patches can share a position, and positions can
    be unused.

    Args:
        rows: Rows of patches.
        columns: Columns of patches.

    Returns:
        10 `row` + `column` of each patch in row-major order: `rows` x `columns` numbers from 0 to 99, int64.
    """
    return (GRID * _hashed(rows)[:, None] + _hashed(columns)).flatten()


def _hashed(count: int) -> Tensor:
    # In float32 like TensorFlow: from 205 patches a side on, an exact 10 i / R can fall just below the integer.
    step = torch.tensor(GRID, dtype=torch.float32) / count
    return torch.floor(torch.arange(count, dtype=torch.float32) * step).long()
