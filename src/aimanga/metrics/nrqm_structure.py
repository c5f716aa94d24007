"""The contrast and structure term of SSIM between maps.

Source: Z. Wang, A. Bovik, H. Sheikh, E. Simoncelli, "Image quality assessment: from error visibility to structural
similarity", IEEE TIP 13(4), 2004, doi:10.1109/TIP.2003.819861.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

_C2 = (0.03 * 255) ** 2
_REACH, _SIGMA = 5, 1.5
_TILE = 32, 64


def structure_terms(maps: Tensor, pairs: Sequence[tuple[int, int]]) -> Tensor:
    """Compute the mean of (2 covariance + C2) / (sum of variances + C2) of pairs of maps in a Gaussian window.

    The window has 11 x 11 taps and a standard deviation of 1.5; only windows inside the maps count. C2 = (0.03 255)^2.

    Args:
        maps: K x H x W, float64; H and W are at least 11.
        pairs: The numbers of the maps of each pair.

    Returns:
        One value for each pair, float64, from -1 to 1.
    """
    height, width = maps.shape[1] - 2 * _REACH, maps.shape[2] - 2 * _REACH
    first, second = torch.tensor(pairs).T
    total = maps.new_zeros(len(pairs))
    for top in range(0, height, _TILE[0]):
        for left in range(0, width, _TILE[1]):
            tile = maps[:, top : top + _TILE[0] + 2 * _REACH, left : left + _TILE[1] + 2 * _REACH]
            windowed = _windowed(torch.cat([tile, tile.square(), tile[first] * tile[second]]))
            means, squares = windowed[: len(maps)], windowed[len(maps) : 2 * len(maps)]
            variances = squares - means.square()
            covariances = windowed[2 * len(maps) :].sub_(means[first] * means[second])
            both = variances[first].add_(variances[second]).add_(_C2)
            total += covariances.mul_(2).add_(_C2).div_(both).sum((1, 2))
    return total / (height * width)


def _windowed(tile: Tensor) -> Tensor:
    """The windowed means: two products with band matrices, which are faster than sums of 11 shifts."""
    height, width = tile.shape[1:]
    rows, columns = _band(height), _band(width)
    return rows @ tile @ columns.T


@lru_cache(maxsize=16)
def _band(length: int) -> Tensor:
    """The band matrix of the window: positions x length."""
    taps = torch.exp(-0.5 * (torch.arange(-_REACH, _REACH + 1, dtype=torch.float64) / _SIGMA) ** 2)
    places = length - 2 * _REACH
    band = torch.zeros(places, length, dtype=torch.float64)
    for place in range(places):
        band[place, place : place + len(taps)] = taps / taps.sum()
    return band
