"""The 138 features of NRQM: of blocks, of the bands of the whole picture, and of the space that its patches span.

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
"""The shortest side: 11 for the window of SSIM, and two of the outermost row and 16 of the guard band."""

_PATCH = 5

_CHUNK = 4096
"""Patches that are reduced at once."""


class Features(NamedTuple):
    """Of one picture, float64.

    Attributes:
        local: 18: those of `block_features` at full, half and quarter size.
        bands: 45: those of `global_features`.
        spatial: 75: the singular values of all 5 x 5 patches, descending, at full, half and quarter size.
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
        PictureError: The picture is too small: each side has 45 pixels or more, and a quarter of the picture 25 patches
            of 5 x 5 (84 x 84, 45 x 164). Or it is of one level throughout: there is nothing to be normalized.
    """
    height, width = levels.shape
    patches = math.ceil(height // 4 / _PATCH) * math.ceil(width // 4 / _PATCH)
    if min(height, width) < _SHORTEST or patches < _PATCH**2:
        raise PictureError(
            f"NRQM needs a picture of 84 x 84 px or more (or as long as 164 px with a short side of {_SHORTEST}), "
            f"not {width} x {height}"
        )
    if levels.min() == levels.max():
        raise PictureError("NRQM cannot judge a picture of one level throughout: it divides by the picture's energy")
    full = levels / 255
    half = _halved(full)
    sizes = (full, half, _halved(half))
    local = torch.cat([block_features(size) for size in sizes])
    spatial = torch.cat([_singular_values(size) for size in sizes])
    del full, half, sizes
    return Features(local, global_features(levels), spatial)


def _halved(picture: Tensor) -> Tensor:
    """Every second pixel of each direction, beginning with the second, after 3 x 3 taps of a Gaussian of 0.5."""
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
    """The 25 singular values of the matrix whose rows are the patches; beyond the border lie zeros.

    A triangle takes up the patches chunk by chunk: it has the singular values of all that went in, to rounding, which
    the eigenvalues of the 25 x 25 moments have not (they lose half of the digits).
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
