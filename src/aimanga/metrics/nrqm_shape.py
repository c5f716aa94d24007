"""The shape of a generalized Gaussian by its moments, as NRQM searches for it.

Source: C. Ma et al., "Learning a no-reference quality metric for single-image super-resolution", CVIU 158, 2017,
arXiv:1612.05890, and its official code chaoma99/sr-metric (MIT).
"""

from functools import lru_cache

import torch
from torch import Tensor


def shape(variance: Tensor, deviation: Tensor) -> Tensor:
    """The shape whose ratio of variance to squared mean absolute deviation is nearest to the sample's.

    Args:
        variance: Any shape, float64, at least 0; unbiased by definition.
        deviation: Likewise: the mean absolute deviation from the mean.

    Returns:
        Likewise: from 0.03 to 10 in steps of 0.001; 2 for a normal distribution, 1 for Laplace's. A constant
        sample has 10.
    """
    ratio = variance / (deviation.square() + 1e-7)
    shapes, ratios = _table()
    above = torch.searchsorted(ratios, ratio).clamp_(1, len(ratios) - 1)
    below = above - 1
    # Of two that are equally near the official search, which goes up in shape and so down in ratio, takes the first.
    nearest = torch.where(ratios[above] - ratio <= ratio - ratios[below], above, below)
    return shapes[nearest]


@lru_cache(maxsize=1)
def _table() -> tuple[Tensor, Tensor]:
    """All shapes, and their ratios, which ascend."""
    shapes = torch.arange(10_000, 29, -1, dtype=torch.float64) / 1000
    log_gamma = torch.special.gammaln
    return shapes, torch.exp(log_gamma(1 / shapes) + log_gamma(3 / shapes) - 2 * log_gamma(2 / shapes))
