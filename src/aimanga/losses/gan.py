"""The losses of generator and discriminator, of three kinds.

With D the logit of a picture, positive if it looks real, these are minimised:

| | real | fake | generator |
| --- | --- | --- | --- |
| vanilla | -log sigmoid(D) | -log(1 - sigmoid(D)) | -log sigmoid(D) |
| hinge | max(0, 1 - D) | max(0, 1 + D) | -D |
| least_squares | (D - 1)^2 | D^2 | (D - 1)^2 |

The generator loss of vanilla is the non-saturating one: it maximises log sigmoid(D) instead of minimising
log(1 - sigmoid(D)), whose gradient vanishes while the discriminator wins. Mao et al. halve the squares; here they are
not halved.

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
    """The loss of each logit."""

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
    """Compute the adversarial loss of the generator.

    Args:
        kind: The kind of loss.
        fake: Logits of the generated pictures, one map for each scale: N x 1 x h x w. Each map is averaged before the
            scales are, so that large maps do not outweigh small ones.

    Returns:
        0-dim, float32 (float64 of float64).

    Raises:
        ValueError: There is no such kind, or no map.
    """
    return _over_scales(_terms(kind).generator, fake)


def discriminator_losses(kind: GanLoss, real: Sequence[Tensor], fake: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Compute both losses of the discriminator, whose sum is minimised.

    Args:
        kind: The kind of loss.
        real: Logits of real pictures, one map for each scale: N x 1 x h x w, averaged as in `generator_loss`.
        fake: Likewise, of generated pictures. The caller detaches them from the generator.

    Returns:
        The losses of the real and of the generated pictures: 0-dim, float32 (float64 of float64), at least 0.

    Raises:
        ValueError: There is no such kind, or no map.
    """
    terms = _terms(kind)
    return _over_scales(terms.real, real), _over_scales(terms.fake, fake)


def _terms(kind: GanLoss) -> _Terms:
    if kind not in _TERMS:
        raise ValueError(f"{kind}: the adversarial losses are {', '.join(get_args(GanLoss))}")
    return _TERMS[kind]


def _over_scales(term: Callable[[Tensor], Tensor], maps: Sequence[Tensor]) -> Tensor:
    """The mean over the scales of each scale's mean."""
    if not maps:
        raise ValueError("there are no logits")
    return torch.stack([term(widened(logits)).mean() for logits in maps]).mean()
