"""The 138 features of NRQM: of DCT blocks, of the steerable pyramid, and the singular values of patches.

Source: C. Ma et al., "Learning a no-reference quality metric for single-image super-resolution", CVIU 158, 2017,
arXiv:1612.05890, and its official code chaoma99/sr-metric (MIT).
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from aimanga.errors import PictureError
from aimanga.metrics.nrqm_dct import block_features
from aimanga.metrics.nrqm_gsm import global_features

_SHORTEST = 45
"""The smallest side: 11 for the window of SSIM, and twice the outermost row and 16 rows of the guard band."""

_PATCH = 5

_CHUNK = 4096
"""Patches of a chunk."""


class Features(NamedTuple):
    """The features of one picture, float64.

    Attributes:
        local: 18: `block_features` at full, half and quarter size.
        bands: 45: `global_features`.
        spatial: 75: the singular values of all 5 x 5 patches in descending order, at full, half and quarter size.
    """

    local: Tensor
    bands: Tensor
    spatial: Tensor


def nrqm_features(levels: Tensor) -> Features:
    """Compute the features of a picture.

    Args:
        levels: H x W, float64, whole numbers from 0 to 255, gray.

    Returns:
        18, 45 and 75 features.

    Raises:
        PictureError: The picture is too small: each side needs 45 pixels, and the quarter-size picture 25 patches of
            5 x 5 (84 x 84, 45 x 164). Or it is flat and cannot be normalized.
    """
    height, width = levels.shape
    patches = math.ceil(height // 4 / _PATCH) * math.ceil(width // 4 / _PATCH)
    if min(height, width) < _SHORTEST or patches < _PATCH**2:
        raise PictureError(
            f"NRQM needs 84 x 84 pixels or more (or 164 x {_SHORTEST}); this picture has {width} x {height}"
        )
    if levels.min() == levels.max():
        raise PictureError("NRQM cannot score a flat picture: it divides by the picture's energy")
    full = levels / 255
    half = _halved(full)
    sizes = (full, half, _halved(half))
    local = torch.cat([block_features(size) for size in sizes])
    spatial = torch.cat([_singular_values(size) for size in sizes])
    del full, half, sizes
    return Features(local, global_features(levels), spatial)


def _halved(picture: Tensor) -> Tensor:
    """Every second row and column, beginning with the second, after a 3 x 3 Gaussian of deviation 0.5."""
    side = math.exp(-2)
    taps = (side / (1 + 2 * side), 1 / (1 + 2 * side))
    for axis in (0, 1):
        length = picture.shape[axis] // 2 * 2
        before, at, after = (
            F.pad(picture.movedim(axis, 0), (0, 0, 0, 1))[first : length + first : 2] for first in range(3)
        )
        picture = ((before + after) * taps[0] + at * taps[1]).movedim(0, axis)
    return picture


def _singular_values(picture: Tensor) -> Tensor:
    """The 25 singular values of the matrix whose rows are the patches, with zero padding.

    A QR decomposition is updated chunk by chunk: its triangle has the same singular values to rounding, whereas the
    eigenvalues of the 25 x 25 moments lose half of the digits.
    """
    height, width = picture.shape
    padded = F.pad(picture, (0, -width % _PATCH, 0, -height % _PATCH))
    across = padded.shape[1] // _PATCH
    triangle = picture.new_zeros(0, _PATCH**2)
    step = _PATCH * max(1, _CHUNK // across)
    for top in range(0, len(padded), step):
        patches = padded[top : top + step].view(-1, _PATCH, across, _PATCH).transpose(1, 2).reshape(-1, _PATCH**2)
        triangle = torch.linalg.qr(torch.cat([triangle, patches]), mode="r").R
    values: Tensor = torch.linalg.svdvals(triangle)
    return values
