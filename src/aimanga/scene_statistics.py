"""Natural-scene statistics: what undamaged photos have in common, whatever they show.

Sources: A. Mittal, A. Moorthy, A. Bovik, "No-reference image quality assessment in the spatial domain", IEEE TIP
21(12), 2012 (the coefficients and the 36 features); N.-E. Lasmar, Y. Stitou, Y. Berthoumieu, "Multiscale skewed heavy
tailed model for texture analysis", ICIP 2009 (the asymmetric fit); K. Sharifi, A. Leon-Garcia, "Estimation of shape
parameter for generalized Gaussian distributions in subband decompositions of video", IEEE TCSVT 5(1), 1995.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from aimanga.tensors import resize

_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))  # right, below, and both diagonals


def mscn(levels: Tensor) -> Tensor:
    """Mean-subtracted, contrast-normalized coefficients: (x - mean) / (deviation + 1), both in a Gaussian window.

    The window has 7 x 7 taps and a deviation of 7/6; beyond the border lie zeros.

    Args:
        levels: N x 1 x H x W, gray, range [0, 255].

    Returns:
        N x 1 x H x W; of an undamaged photo nearly normal.
    """
    line = torch.exp(-0.5 * ((torch.arange(7, dtype=levels.dtype, device=levels.device) - 3) / (7 / 6)) ** 2)
    line /= line.sum()

    def window(x: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(x, line.view(1, 1, 7, 1), padding=(3, 0)), line.view(1, 1, 1, 7), padding=(0, 3))

    mean = window(levels)
    deviation = (window(levels**2) - mean**2).abs().sqrt()
    return (levels - mean) / (deviation + 1)


def generalized_gaussian_fit(values: Tensor) -> tuple[Tensor, Tensor]:
    """Fit a generalized Gaussian of mean 0 by its moments.

    Args:
        values: N x any number of samples.

    Returns:
        Shape (2 for a normal distribution, from 0.2 to 10) and variance, N each.
    """
    variance = values.square().mean(1)
    ratio = values.abs().mean(1).square() / variance.clamp(min=1e-12)
    return _shape(ratio), variance


def asymmetric_gaussian_fit(values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Fit a generalized Gaussian with two flanks by its moments.

    Args:
        values: N x any number of samples.

    Returns:
        Shape, mean, and the variances of the left and of the right flank, N each.
    """
    negative, positive = values.clamp(max=0), values.clamp(min=0)
    left = (negative.square().sum(1) / (values < 0).sum(1).clamp(min=1)).sqrt()
    right = (positive.square().sum(1) / (values > 0).sum(1).clamp(min=1)).sqrt()
    skew = left / right.clamp(min=1e-6)
    ratio = values.abs().mean(1).square() / values.square().mean(1).clamp(min=1e-12)
    shape = _shape(ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2)
    log_gamma = torch.special.gammaln
    spread = torch.exp(log_gamma(2 / shape) - log_gamma(1 / shape) + (log_gamma(1 / shape) - log_gamma(3 / shape)) / 2)
    return shape, (right - left) * spread, left**2, right**2


def brisque_features(levels: Tensor) -> Tensor:
    """The 36 features of BRISQUE: fits to the coefficients and to the products of neighbours, at two scales.

    Args:
        levels: N x 1 x H x W, gray, range [0, 255], 16 pixels a side or more.

    Returns:
        N x 36. A scale has shape and variance, then for each of four directions shape, mean, left and right variance.
    """
    features: list[Tensor] = []
    for scale in (1, 2):
        if scale == 2:
            levels = resize(levels, math.ceil(levels.shape[2] / 2), math.ceil(levels.shape[3] / 2))
        coefficients = mscn(levels)
        features += generalized_gaussian_fit(coefficients.flatten(1))
        for shift in _NEIGHBOURS:
            products = coefficients * coefficients.roll(shift, (2, 3))
            features += asymmetric_gaussian_fit(products.flatten(1))
    return torch.stack(features, 1)


def _shape(ratio: Tensor) -> Tensor:
    """The shape whose squared mean modulus, over the variance, is nearest to the ratio."""
    shapes, ratios = (table.to(ratio) for table in _shape_table())
    above = torch.searchsorted(ratios, ratio.contiguous()).clamp(1, len(ratios) - 1)
    nearer = (ratio - ratios[above - 1]).abs() < (ratios[above] - ratio).abs()
    return shapes[above - nearer.long()]


@lru_cache(maxsize=1)
def _shape_table() -> tuple[Tensor, Tensor]:
    shapes = torch.arange(200, 10001, dtype=torch.float64) / 1000
    log_gamma = torch.special.gammaln
    return shapes, torch.exp(2 * log_gamma(2 / shapes) - log_gamma(1 / shapes) - log_gamma(3 / shapes))
