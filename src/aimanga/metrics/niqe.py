"""NIQE: the distance between the statistics of a picture's blocks and those of pristine photos.

Source: A. Mittal, R. Soundararajan, A. Bovik, "Making a 'completely blind' image quality analyzer", IEEE Signal
Processing Letters 20(3), 2013, doi:10.1109/LSP.2012.2227726, and its MATLAB release of UT Austin, whose model of
pristine photos is `parameters/niqe.safetensors`.
"""

import torch
from torch import Tensor

from aimanga.errors import PictureError
from aimanga.metrics.levels import gray_levels, require_size
from aimanga.metrics.parameters import load_parameters
from aimanga.scene_statistics import (
    MARGIN,
    STRIP_PIXELS,
    Sums,
    asymmetric_gaussian_fit,
    joined,
    levels_at,
    mscn,
    neighbour_products,
    sums_of,
)

BLOCK = 96
"""Side of a block, in pixels."""


def niqe(pictures: Tensor) -> Tensor:
    """Compute NIQE like the authors' MATLAB release; lower is better.

    Args:
        pictures: N x 3 x H x W, range [0, 1], rounded to 8 bits; 192 x 96 pixels or more.

    Returns:
        N scores, float64; about 2 to 4 for good photos, without an upper bound.

    Raises:
        PictureError: The pictures are too small, or one has less than two blocks that are not flat.
    """
    require_size(pictures, "NIQE", BLOCK, 2 * BLOCK)
    return torch.stack([niqe_of_levels(levels) for levels in gray_levels(pictures)[:, 0]])


def niqe_of_levels(levels: Tensor) -> Tensor:
    """Compute NIQE of gray levels.

    Args:
        levels: H x W, range [0, 255], any type; partial blocks at the right and at the bottom are ignored.

    Returns:
        The score, a float64 scalar.

    Raises:
        PictureError: Less than two blocks are not flat.
    """
    features = block_features(levels)
    # Some features of a flat block are NaN. Like in the original the means omit these, and the covariance the block.
    whole = features[~features.isnan().any(1)]
    if len(whole) < 2:
        raise PictureError("NIQE needs two blocks of 96 x 96 pixels that are not flat")
    model = load_parameters("niqe", levels.device)
    difference = model["mean"] - features.nanmean(0)
    covariance = (model["covariance"] + whole.T.cov()) / 2
    distance: Tensor = difference @ torch.linalg.pinv(covariance, hermitian=True) @ difference
    return distance.sqrt()


def block_features(levels: Tensor) -> Tensor:
    """Compute the features of all blocks.

    Args:
        levels: H x W, range [0, 255], any type.

    Returns:
        Blocks x 36, float64, tile by tile. At each of two scales: shape and mean scale parameter of the coefficients,
        then for each of four directions shape, mean, left and right scale parameter of the products of neighbours.
    """
    down, across = levels.shape[0] // BLOCK, levels.shape[1] // BLOCK
    levels = levels[None, : down * BLOCK, : across * BLOCK]
    at_once = max(1, STRIP_PIXELS // BLOCK**2)
    tall = max(1, at_once // across)
    wide = -(-across // -(-across // at_once))  # tiles of about equal width
    tiles = [
        (range(top, min(top + tall, down)), range(left, min(left + wide, across)))
        for top in range(0, down, tall)
        for left in range(0, across, wide)
    ]
    features: list[Tensor] = []
    for scale in (1, 2):
        parts = [_tile_sums(levels, scale, *tile) for tile in tiles]
        alone, *products = (joined(sums) for sums in zip(*parts, strict=True))
        fit = asymmetric_gaussian_fit(alone)
        features += fit.shape, (fit.left + fit.right) * fit.spread / 2
        for sums in products:
            fit = asymmetric_gaussian_fit(sums)
            features += fit.shape, fit.mean, fit.left * fit.spread, fit.right * fit.spread
    return torch.stack(features, 1)


def _tile_sums(levels: Tensor, scale: int, down: range, across: range) -> list[Sums]:
    """The sums of some blocks: of their coefficients, and of the products of neighbours in each direction."""
    side = BLOCK // scale
    places = [
        # The border is replicated.
        torch.arange(blocks.start * side - MARGIN, blocks.stop * side + MARGIN).clamp(0, length // scale - 1)
        for blocks, length in zip((down, across), levels.shape[1:], strict=True)
    ]
    coefficients, _ = mscn(levels_at(levels, scale, *places))
    blocks = coefficients.view(len(down), side, len(across), side).transpose(1, 2).reshape(-1, side, side)
    # The neighbours below the last row of a block are those of its first row.
    rows = torch.cat([blocks, blocks[:, :1]], 1)
    return [sums_of(blocks.flatten(1)), *map(sums_of, neighbour_products(rows))]
