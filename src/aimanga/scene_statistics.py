"""Natural-scene statistics: the MSCN coefficients of pictures, and the 36 features of BRISQUE.

Everything is computed in float64 and in strips of rows: memory is proportional to the width of a picture.

Sources: A. Mittal, A. Moorthy, A. Bovik, "No-reference image quality assessment in the spatial domain", IEEE TIP
21(12), 2012, and its MATLAB release (the coefficients and the 36 features); N.-E. Lasmar, Y. Stitou, Y. Berthoumieu,
"Multiscale skewed heavy tailed model for texture analysis", ICIP 2009 (the asymmetric fit); K. Sharifi, A. Leon-Garcia,
"Estimation of shape parameter for generalized Gaussian distributions in subband decompositions of video", IEEE TCSVT
5(1), 1995.
"""

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from aimanga.tensors import cubic_taps, filtered, weighted_sum

MARGIN = 3
"""Radius of the window of the coefficients, in pixels."""

STRIP_PIXELS = 2**17
"""Pixels of a strip, which stay in the cache of a core."""

_PLACES = range(-MARGIN, MARGIN + 1)
_LINE = [math.exp(-(x * x) / (2 * (7 / 6) ** 2)) for x in _PLACES]
_LINE = [tap / math.fsum(_LINE) for tap in _LINE]
_WINDOW = [[math.exp(-(x * x + y * y) / (2 * (7 / 6) ** 2)) for x in _PLACES] for y in _PLACES]
_SUM = math.fsum(tap for taps in _WINDOW for tap in taps)
_WINDOW = [[tap / _SUM for tap in taps] for taps in _WINDOW]

# Smaller differences of gray levels are rounding errors.
_ROUNDING = 1e-9


def mscn(padded: Tensor) -> tuple[Tensor, Tensor]:
    """Compute MSCN coefficients: (x - mean) / (standard deviation + 1), both in a Gaussian window.

    MSCN is "mean-subtracted, contrast-normalized". The window has 7 x 7 taps and a standard deviation of 7/6.

    Args:
        padded: N x (H + 6) x (W + 6), float64: padded gray levels, range [0, 255].

    Returns:
        The coefficients, which are nearly normal for a pristine photo, and the standard deviations; both N x H x W.
    """
    mean = filtered(padded, _LINE)
    deviation = filtered(padded.square(), _LINE).sub_(mean.square()).abs_().sqrt_()
    centre = padded[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    difference = centre - mean
    flat = (difference.abs() < _ROUNDING).logical_and_(centre != 0)
    if flat.any():
        difference[flat] = _rounded_differences(padded, flat)
    return difference.div_(deviation + 1), deviation


def _rounded_differences(padded: Tensor, where: Tensor) -> Tensor:
    """The differences from the mean, as a sum of 49 products in a fixed order, in float64.

    In flat regions they are zero but for rounding, yet their signs decide to which side of a fit a coefficient
    belongs. Hence the order of the MATLAB releases, instead of an operation that rounds differently on each machine.
    """
    picture, row, column = where.nonzero(as_tuple=True)
    mean = torch.zeros(len(row), dtype=padded.dtype, device=padded.device)
    for down, taps in enumerate(_WINDOW):
        for right, tap in enumerate(taps):
            mean += padded[picture, row + down, column + right] * tap
    return padded[picture, row + MARGIN, column + MARGIN] - mean


def levels_at(levels: Tensor, scale: int, rows: Tensor, columns: Tensor) -> Tensor:
    """Select a part of a picture, or of the picture at half the size, as by MATLAB's `imresize(x, 0.5)`.

    Args:
        levels: N x H x W, any type.
        scale: 1, or 2 for half the size (odd sizes are rounded up).
        rows: The numbers of the rows, at that scale.
        columns: The numbers of the columns, likewise.

    Returns:
        N x rows x columns, float64.
    """
    if scale == 1:
        return levels[:, rows].index_select(2, columns.to(levels.device)).double()
    down, across = (
        tuple(taps[places] for taps in cubic_taps(length, -(-length // 2), 0.5))
        for length, places in zip(levels.shape[1:], (rows, columns), strict=True)
    )
    top, left = (int(sources.min()) for _, sources in (down, across))
    bottom, right = (int(sources.max()) + 1 for _, sources in (down, across))
    halved = weighted_sum(levels[:, None, top:bottom, left:right].double(), 2, down[0], down[1] - top)
    return weighted_sum(halved, 3, across[0], across[1] - left)[:, 0]


class Sums(NamedTuple):
    """The sums of samples that the fits need; sums of parts can be added. N each.

    Attributes:
        total: Number of samples.
        below: Number of samples below 0.
        above: Number of samples above 0.
        modulus: The sum of |x|.
        square: The sum of x^2.
        square_above: The sum of x^2 over samples above 0.
    """

    total: Tensor
    below: Tensor
    above: Tensor
    modulus: Tensor
    square: Tensor
    square_above: Tensor


def neighbour_products(rows: Tensor) -> Iterator[Tensor]:
    """Multiply samples by their right, lower and both lower diagonal neighbours.

    Args:
        rows: N x (H + 1) x W; columns wrap around.

    Yields:
        Four times the products, N x (H W).
    """
    around = torch.cat([rows[:, :, -1:], rows, rows[:, :, :1]], 2)
    here, below = around[:, :-1], around[:, 1:]
    width = rows.shape[2]
    for neighbours, column in ((here, 2), (below, 1), (below, 2), (below, 0)):
        yield (here[:, :, 1:-1] * neighbours[:, :, column : column + width]).flatten(1)


def joined(parts: Iterable[Sums]) -> Sums:
    """The sums of several sets of samples, concatenated."""
    return Sums(*(torch.cat(field) for field in zip(*parts, strict=True)))


def added(parts: Iterable[Sums]) -> Sums:
    """The sums of sets of samples, added over parts."""
    return Sums(*(torch.stack(field).sum(0) for field in zip(*parts, strict=True)))


def sums_of(values: Tensor) -> Sums:
    """Compute the sums of samples.

    Args:
        values: N x any number of samples, float64.
    """
    # Few passes, without comparing and counting, which would take three times as long.
    positive, signs = values.clamp(min=0), values.sign()
    norm = torch.linalg.vector_norm
    nonzero, surplus = norm(signs, dim=1).square().round(), signs.sum(1)
    return Sums(
        total=values.new_full((len(values),), values.shape[1]),
        below=(nonzero - surplus) / 2,
        above=(nonzero + surplus) / 2,
        modulus=2 * positive.sum(1) - values.sum(1),
        square=norm(values, dim=1).square(),
        square_above=norm(positive, dim=1).square(),
    )


def generalized_gaussian_fit(sums: Sums) -> tuple[Tensor, Tensor]:
    """Fit a generalized Gaussian of mean 0 by its moments.

    Args:
        sums: Of the samples.

    Returns:
        Shape (2 for a normal distribution, from 0.2 to 10) and variance, N each.
    """
    variance = sums.square / sums.total
    # The original searches the inverse ratios here, and only here.
    return nearest_shape(variance / (sums.modulus / sums.total).square(), inverse=True), variance


class AsymmetricFit(NamedTuple):
    """An asymmetric generalized Gaussian. N each.

    Attributes:
        shape: 2 for a normal distribution, 1 for a Laplacian; from 0.2 to 10.
        left: The standard deviation of the samples below 0; NaN if there are none.
        right: The standard deviation of the samples above 0; NaN if there are none.
    """

    shape: Tensor
    left: Tensor
    right: Tensor

    @property
    def spread(self) -> Tensor:
        """The ratio of the scale parameter of the distribution to its standard deviation."""
        log_gamma = torch.special.gammaln
        return torch.exp((log_gamma(1 / self.shape) - log_gamma(3 / self.shape)) / 2)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        log_gamma = torch.special.gammaln
        ratio = torch.exp(log_gamma(2 / self.shape) - log_gamma(1 / self.shape))
        return (self.right - self.left) * self.spread * ratio


def asymmetric_gaussian_fit(sums: Sums) -> AsymmetricFit:
    """Fit an asymmetric generalized Gaussian by its moments.

    Args:
        sums: Of the samples.
    """
    left = _deviation(sums.square - sums.square_above, sums.below)
    right = _deviation(sums.square_above, sums.above)
    skew = left / right
    ratio = (sums.modulus / sums.total).square() / (sums.square / sums.total)
    return AsymmetricFit(nearest_shape(ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2), left, right)


def _deviation(square: Tensor, count: Tensor) -> Tensor:
    return torch.where(count > 0, square.clamp(min=0) / count, torch.nan).sqrt()


def brisque_features(levels: Tensor) -> Tensor:
    """Compute the 36 features of BRISQUE: fits to the coefficients and to products of neighbours, at two scales.

    Pictures are padded with zeros; the neighbours of the last column and row are the first ones.

    Args:
        levels: N x 1 x H x W, gray, range [0, 255], any type, 2 pixels a side or more.

    Returns:
        N x 36, float64. At each scale: shape and variance, then for each of four directions shape, mean, left and
        right variance. A side without samples has variance 0. A black picture has the features of samples that are
        all 0.
    """
    at_once = max(1, STRIP_PIXELS // levels[0].numel())
    return torch.cat([_brisque_features(part[:, 0]) for part in torch.split(levels, at_once)])


def _brisque_features(levels: Tensor) -> Tensor:
    features: list[Tensor] = []
    for scale in (1, 2):
        alone, *products = _brisque_sums(levels, scale)
        features += generalized_gaussian_fit(alone)
        for sums in products:
            fit = asymmetric_gaussian_fit(sums)
            fit = AsymmetricFit(fit.shape, fit.left.nan_to_num(0), fit.right.nan_to_num(0))
            features += fit.shape, fit.mean, fit.left.square(), fit.right.square()
    return torch.stack(features, 1)


def _brisque_sums(levels: Tensor, scale: int) -> list[Sums]:
    """The sums of the coefficients, and of their products with the right, lower and both diagonal neighbours."""
    height = -(-levels.shape[1] // scale)
    width = -(-levels.shape[2] // scale)
    step = max(1, STRIP_PIXELS // (len(levels) * width))
    strips: list[list[Sums]] = []
    first = levels.new_empty(0)
    for top in range(0, height, step):
        end = min(top + step, height)
        rows = _coefficient_rows(levels, scale, top, min(end + 1, height), height)
        if top == 0:
            first = rows[:, :1].clone()
        if end == height:
            rows = torch.cat([rows, first], 1)
        strips.append([sums_of(rows[:, :-1].flatten(1)), *map(sums_of, neighbour_products(rows))])
    return [added(sums) for sums in zip(*strips, strict=True)]


def _coefficient_rows(levels: Tensor, scale: int, top: int, end: int, height: int) -> Tensor:
    """Rows of the coefficients of the picture at a scale, padded with zeros."""
    first, last = max(0, top - MARGIN), min(height, end + MARGIN)
    columns = torch.arange(-(-levels.shape[2] // scale))
    rows = levels_at(levels, scale, torch.arange(first, last), columns)
    beyond = (MARGIN, MARGIN, first - (top - MARGIN), end + MARGIN - last)
    return mscn(F.pad(rows, beyond))[0]


def nearest_shape(ratio: Tensor, *, lowest: float = 0.2, inverse: bool = False) -> Tensor:
    """Estimate the shape of a generalized Gaussian by the ratio of its moments: the nearest of a table, as originally.

    Args:
        ratio: Squared mean modulus over variance, any shape, float64.
        lowest: The smallest shape of the table, which goes up to 10 in steps of 0.001.
        inverse: `ratio` is the inverse, and the nearest inverse ratio is searched, which can be another one.

    Returns:
        The shape of the nearest ratio, the smaller of two that are equally near; `lowest` for NaN.
    """
    shapes, ratios = (table.to(ratio.device) for table in _shape_table(lowest, inverse))
    above = torch.searchsorted(ratios, ratio.contiguous()).clamp(1, len(ratios) - 1)
    down, up = (ratio - ratios[above - 1]).abs(), (ratios[above] - ratio).abs()
    lower = down < up if inverse else down <= up  # the shapes of inverse ratios descend
    return torch.where(ratio.isnan(), lowest, shapes[above - lower.long()])


@lru_cache(maxsize=4)
def _shape_table(lowest: float, inverse: bool) -> tuple[Tensor, Tensor]:
    """The table of shapes, and their ratios in ascending order."""
    shapes = torch.arange(round(1000 * lowest), 10001, dtype=torch.float64) / 1000
    log_gamma = torch.special.gammaln
    ratios = torch.exp(2 * log_gamma(2 / shapes) - log_gamma(1 / shapes) - log_gamma(3 / shapes))
    return (shapes.flip(0), 1 / ratios.flip(0)) if inverse else (shapes, ratios)
