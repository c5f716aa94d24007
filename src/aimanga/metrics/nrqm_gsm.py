"""NRQM's global features: the distribution of the bands of a picture after divisive normalization.

A coefficient of a natural picture is modelled as a Gaussian times a local scale (a Gaussian scale mixture). The scale
is estimated from the neighbours in position, scale and orientation; the normalized coefficients of a good picture are
nearly Gaussian.

Sources: C. Ma et al., "Learning a no-reference quality metric for single-image super-resolution", CVIU 158, 2017,
arXiv:1612.05890, and its official code chaoma99/sr-metric (MIT); the estimate is that of A. Moorthy and
A. Bovik, "Blind image quality assessment: from natural scene statistics to perceptual quality", IEEE TIP 20(12),
2011, doi:10.1109/TIP.2011.2147325.
"""

import math
from collections.abc import Iterator
from itertools import combinations

import torch
from torch import Tensor

from aimanga.metrics.nrqm_shape import shape
from aimanga.metrics.nrqm_structure import structure_terms
from aimanga.metrics.steerable import SteerablePyramid
from aimanga.tensors import cubic_taps

_SCALES, _ORIENTATIONS = 2, 6
_GUARDS = 16, 8  # rows and columns of a scale that are ignored at each border

_CENTRE = 4  # of the 3 x 3 coefficients of a band
_OTHERS = torch.tensor([[other for other in range(_ORIENTATIONS) if other != own] for own in range(_ORIENTATIONS)])

_TILE = 32, 64
"""Rows and columns of a tile: its neighbourhoods stay in the cache."""


def global_features(levels: Tensor) -> Tensor:
    """Compute the 45 features of the bands of a picture.

    All bands are in memory at once: the peak is about 130 bytes a pixel, including `levels` (measured: 132 at 4
    megapixels, 125 at 16).

    Args:
        levels: H x W, float64, range [0, 255], gray; each side at least 45.

    Returns:
        45, float64: the shapes of the 6 fine and the 6 coarse bands, and of both scales together (6); the structure
        terms of the 12 bands with the high-pass residual, and of the 15 pairs of fine bands.
    """
    height, width = levels.shape
    pyramid = SteerablePyramid(levels, _SCALES, _ORIENTATIONS)
    coarse = torch.stack([pyramid.band(1, number) for number in range(_ORIENTATIONS)])
    # One buffer is used three times: for the enlarged coarse bands, the fine bands, and these normalized.
    maps = levels.new_empty(1 + _ORIENTATIONS, height, width)
    maps[0] = pyramid.highpass
    with_highpass = [(0, 1 + number) for number in range(_ORIENTATIONS)]
    for rows, columns in _tiles(slice(0, height), slice(0, width)):
        maps[1:, rows, columns] = _enlarged(coarse, height, width, rows, columns)
    coarse_terms = structure_terms(maps, with_highpass)
    for number in range(_ORIENTATIONS):
        maps[1 + number] = pyramid.band(0, number)
    del pyramid
    fine_terms = structure_terms(maps, with_highpass)
    fine = _normalized(maps[1:], coarse, _GUARDS[0])
    pair_terms = structure_terms(fine, list(combinations(range(_ORIENTATIONS), 2)))
    coarse = _normalized(coarse, None, _GUARDS[1])
    sums = torch.stack([_sums(fine), _sums(coarse)])
    shapes = [_shape_of_sums(each) for each in (sums[0], sums[1], sums.sum(0))]
    return torch.cat([*shapes, fine_terms, coarse_terms, pair_terms])


def _normalized(bands: Tensor, parents: Tensor | None, guard: int) -> Tensor:
    """Divide the coefficients of bands by the scale estimated from their neighbours.

    The neighbours are the 3 x 3 coefficients of the band itself, the coefficient of each other band at the same
    position, and that of the coarser band of the same orientation, the parent. The squared scale is y^T C^-1 y / N,
    where y holds them and C is the mean of y y^T. As in the official code the last orientation has no parent, and N
    counts only the spatial neighbours and the parent.

    Args:
        bands: 6 x H x W; overwritten by the result.
        parents: 6 x H/2 x W/2, or None.
        guard: Rows and columns to ignore at each border, besides the outermost one.

    Returns:
        6 x H - 2 - 2 guard x W - 2 - 2 guard, with the mean of each band subtracted.
    """
    height, width = bands.shape[1] - 2, bands.shape[2] - 2
    mean = bands[:, 1:-1, 1:-1].mean((1, 2))[:, None]
    moments = torch.tensor(0.0)
    for rows, columns in _tiles(slice(0, height), slice(0, width)):
        neighbours = _neighbours(bands, parents, rows, columns)
        moments = moments + neighbours @ neighbours.mT
    counts = bands.new_full((len(bands), 1, 1), 9)
    if parents is not None:
        counts[:-1] += 1
    whitening = _whitening(moments / (height * width)) / counts.sqrt()
    result = bands[:, : height - 2 * guard, : width - 2 * guard]
    for rows, columns in _tiles(slice(guard, height - guard), slice(guard, width - guard)):
        neighbours = _neighbours(bands, parents, rows, columns)
        scale = (whitening @ neighbours).square_().sum(1).sqrt_()
        values = torch.where(scale > 0, (neighbours[:, _CENTRE] - mean) / scale, 0.0)
        # This overwrites pixels further above and to the left than the guard, which no later tile reads.
        place = result[:, rows.start - guard : rows.stop - guard, columns.start - guard : columns.stop - guard]
        place.copy_(values.view(place.shape))
    for band in result:
        band -= band.mean()
    return result


def _tiles(rows: slice, columns: slice) -> Iterator[tuple[slice, slice]]:
    """Cut a region into tiles, row by row."""
    for top in range(rows.start, rows.stop, _TILE[0]):
        for left in range(columns.start, columns.stop, _TILE[1]):
            yield slice(top, min(top + _TILE[0], rows.stop)), slice(left, min(left + _TILE[1], columns.stop))


def _neighbours(bands: Tensor, parents: Tensor | None, rows: slice, columns: slice) -> Tensor:
    """Gather the neighbours of the coefficients of a tile, whose coordinates exclude the outermost rows and columns.

    Returns:
        6 x neighbours x coefficients: 3 x 3 of the band, 5 of the other bands and, unless `parents` is None, the
        parent, which is 0 for the last band.
    """
    height, width = rows.stop - rows.start, columns.stop - columns.start
    around = bands[:, rows.start : rows.stop + 2, columns.start : columns.stop + 2]
    gathered = bands.new_zeros(len(bands), 14 if parents is None else 15, height, width)
    spatial = gathered[:, :9].view(len(bands), 3, 3, height, width)
    spatial.copy_(around.unfold(1, height, 1).unfold(2, width, 1))
    gathered[:, 9:14] = gathered[:, _CENTRE][_OTHERS]
    if parents is not None:
        inner = slice(rows.start + 1, rows.stop + 1), slice(columns.start + 1, columns.stop + 1)
        gathered[:-1, 14] = _enlarged(parents[:-1], 2 * parents.shape[1], 2 * parents.shape[2], *inner)
    return gathered.flatten(2)


def _enlarged(bands: Tensor, height: int, width: int, rows: slice, columns: slice) -> Tensor:
    """Some rows and columns of the bands resized by `aimanga.tensors.resize`.

    Two matrix products are many times faster than gathering the samples of each tap, as `resize` does.
    """
    down, above = _cubic_matrix(bands.shape[1], height, rows)
    across, beside = _cubic_matrix(bands.shape[2], width, columns)
    enlarged: Tensor = down @ bands[:, above, beside] @ across.T
    return enlarged


def _cubic_matrix(length: int, size: int, wanted: slice) -> tuple[Tensor, slice]:
    """The weights of the source samples in some samples of a bicubic resize, wanted x sources; and the sources."""
    weights, sources = (table[wanted] for table in cubic_taps(length, size))
    first, last = int(sources.min()), int(sources.max())
    matrix = weights.new_zeros(len(weights), last + 1 - first)
    return matrix.scatter_add_(1, sources - first, weights), slice(first, last + 1)


def _whitening(moments: Tensor) -> Tensor:
    """W with |W y|^2 = y^T C^-1 y; directions without energy, by the tolerance of MATLAB's `pinv`, are 0."""
    energies, directions = torch.linalg.eigh(moments)
    limits = energies.new_tensor([len(each) * math.ulp(each[-1].abs().item()) for each in energies])[:, None]
    weights = torch.where(energies > limits, energies.clamp(min=limits).rsqrt(), 0.0)
    return weights[..., None].mul(directions.mT)


def _sums(bands: Tensor) -> Tensor:
    """Number of coefficients, sum of squares and sum of absolute values of each band: bands x 3."""
    number = bands[0].numel()
    return bands.new_tensor([(number, band.square().sum().item(), band.abs().sum().item()) for band in bands])


def _shape_of_sums(sums: Tensor) -> Tensor:
    number, squares, moduli = sums.unbind(1)
    return shape(squares / (number - 1), moduli / number)
