"""The game of generator and discriminator, in three scorings.

With D the logit of a picture, positive where it looks real, these are minimised:

| | real | fake | generator |
| --- | --- | --- | --- |
| vanilla | -log sigmoid(D) | -log(1 - sigmoid(D)) | -log sigmoid(D) |
| hinge | max(0, 1 - D) | max(0, 1 + D) | -D |
| least_squares | (D - 1)^2 | D^2 | (D - 1)^2 |

The generator of vanilla is the non-saturating one: it raises log sigmoid(D) rather than lowers log(1 - sigmoid(D)),
which has no slope while the discriminator wins. Mao et al. halve the squares; here they are whole.

Sources: I. Goodfellow et al., "Generative Adversarial Networks", NIPS 2014, arXiv:1406.2661 (vanilla); J. H. Lim, J. C.
Ye, "Geometric GAN", 2017, arXiv:1705.02894 (hinge); X. Mao et al., "Least Squares Generative Adversarial Networks",
ICCV 2017, arXiv:1611.04076.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from aimanga.losses.operands import widened

GanLoss = Literal["vanilla", "hinge", "least_squares"]


class _Terms(NamedTuple):
    """What each logit costs."""

    real: Callable[[Tensor], Tensor]
    fake: Callable[[Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


_TERMS: dict[GanLoss, _Terms] = {
    "vanilla": _Terms(
        real=lambda logits: -F.logsigmoid(logits),
        fake=lambda logits: -F.logsigmoid(-logits),
        generator=lambda logits: -F.logsigmoid(logits),
    ),
    "hinge": _Terms(
        real=lambda logits: (1 - logits).relu(),
        fake=lambda logits: (1 + logits).relu(),
        generator=lambda logits: -logits,
    ),
    "least_squares": _Terms(
        real=lambda logits: (logits - 1).square(),
        fake=lambda logits: logits.square(),
        generator=lambda logits: (logits - 1).square(),
    ),
}


def generator_loss(kind: GanLoss, fake: Sequence[Tensor]) -> Tensor:
    """Compute what the generator pays for pictures that do not look real.

    Args:
        kind: The scoring.
        fake: Logits of the generated pictures, one map a scale: N x 1 x h x w. Each map is averaged over its own
            pixels before the scales are averaged, so that a large map does not outweigh a small one.

    Returns:
        0-dim, float32 (float64 of float64).

    Raises:
        ValueError: There is no such scoring, or no map.
    """
    return _over_scales(_terms(kind).generator, fake)


def discriminator_losses(kind: GanLoss, real: Sequence[Tensor], fake: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Compute what the discriminator pays for its mistakes; their sum is minimised.

    Args:
        kind: The scoring.
        real: Logits of real pictures, one map a scale: N x 1 x h x w, averaged as in `generator_loss`.
        fake: Logits of generated pictures, likewise. The caller cuts them off the generator.

    Returns:
        The terms of the real and of the fake pictures: 0-dim, float32 (float64 of float64), at least 0.

    Raises:
        ValueError: There is no such scoring, or no map.
    """
    terms = _terms(kind)
    return _over_scales(terms.real, real), _over_scales(terms.fake, fake)


def _terms(kind: GanLoss) -> _Terms:
    """Look up a scoring.

    Raises:
        ValueError: There is none of that name.
    """
    if kind not in _TERMS:
        raise ValueError(f"{kind}: a discriminator is trained by {', '.join(get_args(GanLoss))}")
    return _TERMS[kind]


def _over_scales(term: Callable[[Tensor], Tensor], maps: Sequence[Tensor]) -> Tensor:
    """The mean over the scales of each scale's mean."""
    if not maps:
        raise ValueError("no map of logits was given")
    return torch.stack([term(widened(logits)).mean() for logits in maps]).mean()
