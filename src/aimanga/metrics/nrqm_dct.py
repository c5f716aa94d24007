"""NRQM's local features: the distribution of the DCT coefficients of small blocks.

Source: C. Ma et al., "Learning a no-reference quality metric for single-image super-resolution", CVIU 158, 2017,
arXiv:1612.05890, and its official code chaoma99/sr-metric (MIT).
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from aimanga.metrics.nrqm_shape import shape

_STRIDE, _OVERLAP = 3, 2
_SIDE = _STRIDE + 2 * _OVERLAP

# The orientation of each coefficient, of three; the vertical frequency increases downwards. The mean has none.
_ORIENTATIONS = (
    ".111111",
    "3211111",
    "3322111",
    "3322211",
    "3332222",
    "3333222",
    "3333222",
)  # fmt: skip

_CHUNK = 4096
"""Blocks of a chunk: their coefficients stay in the cache."""


def block_features(picture: Tensor) -> Tensor:
    """Compute six statistics of all blocks of 7 x 7 pixels with a stride of 3 and zero padding.

    Args:
        picture: H x W, float64, range [0, 1], gray.

    Returns:
        6, float64: the means over the lowest tenth and over all blocks of the shape of the coefficients; the means
        over the highest tenth and over all blocks of their coefficient of variation, and of its variance over three
        orientations.
    """
    height, width = picture.shape
    down, across = -(-height // _STRIDE), -(-width // _STRIDE)
    step = max(1, _CHUNK // across)
    strips = [_strip(picture, top, min(top + step, down), across) for top in range(0, down, step)]
    shapes, variations, spreads = (torch.cat(parts) for parts in zip(*map(_statistics, strips), strict=True))
    count = len(shapes)
    lowest = math.ceil(count * 0.1)
    highest = count - int(count * 0.9) + 1  # MATLAB counts from 1 and includes both ends
    return torch.stack(
        [
            shapes.topk(lowest, largest=False, sorted=False).values.mean(), shapes.mean(),
            variations.topk(highest, sorted=False).values.mean(), variations.mean(),
            spreads.topk(highest, sorted=False).values.mean(), spreads.mean(),
        ]
    )  # fmt: skip


def _strip(picture: Tensor, first: int, last: int, across: int) -> Tensor:
    """The pixels of the rows `first` to `last` of blocks, with zero padding."""
    height, width = picture.shape
    top, bottom = _STRIDE * first - _OVERLAP, _STRIDE * last + _OVERLAP
    right = _STRIDE * across + _OVERLAP - width
    return F.pad(picture[max(top, 0) : bottom], (_OVERLAP, right, max(-top, 0), max(bottom - height, 0)))


def _statistics(strip: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each block of a strip: shape, coefficient of variation, and its variance over the orientations."""
    windows = strip.unfold(0, _SIDE, _STRIDE).unfold(1, _SIDE, _STRIDE)
    coefficients = _transform() @ windows.permute(2, 3, 0, 1).reshape(_SIDE**2, -1)
    count = len(coefficients)
    squares = coefficients.square().view(3, count // 3, -1).sum(1)
    mean = coefficients.mean(0)
    variance = (squares.sum(0) - count * mean.square()).clamp_(min=0) / (count - 1)
    deviation = (coefficients - mean).abs_().mean(0)
    moduli = coefficients.abs_().view(3, count // 3, -1).sum(1)
    oriented = _variation(moduli, squares, count // 3, 1e-8)
    return shape(variance, deviation), _variation(moduli.sum(0), squares.sum(0), count, 1e-7), oriented.var(0)


def _variation(moduli: Tensor, squares: Tensor, count: int, epsilon: float) -> Tensor:
    """Standard deviation over mean of absolute coefficients, from their sum and their sum of squares."""
    variance = (squares - moduli.square() / count).clamp_(min=0) / (count - 1)
    return variance.sqrt_() / (moduli / count + epsilon)


@lru_cache(maxsize=1)
def _transform() -> Tensor:
    """48 x 49: the orthonormal DCT-II of a block without the mean, sorted by orientation (16 coefficients each)."""
    frequency = torch.arange(_SIDE, dtype=torch.float64)[:, None]
    line = (math.pi / _SIDE * frequency * (torch.arange(_SIDE, dtype=torch.float64) + 0.5)).cos() * (2 / _SIDE) ** 0.5
    line[0] /= 2**0.5
    labels = "".join(_ORIENTATIONS)
    order = sorted((n for n in range(_SIDE**2) if labels[n] != "."), key=labels.__getitem__)
    return torch.kron(line, line)[order]
