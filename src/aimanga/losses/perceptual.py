"""The perceptual loss: the L1 distance of deep features.

Sources: J. Johnson, A. Alahi, L. Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV
2016, arXiv:1603.08155; X. Wang et al., "ESRGAN", ECCVW 2018, arXiv:1809.00219 (L1, features before the
activation).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from aimanga.losses.operands import matched, relative_l1


def perceptual(
    features: Mapping[str, Tensor],
    target: Mapping[str, Tensor],
    weights: Mapping[str, float],
    *,
    relative: bool = False,
) -> Tensor:
    """Compute the weighted sum over the layers of the L1 distance of their features.

    Args:
        features: Layer to features of the pictures, N x C x H x W; layers without a weight are ignored.
        target: Likewise, of the targets. The caller computes them without a gradient.
        weights: Layer to weight.
        relative: Divide the distance of each layer by the mean absolute value of the target's features: weights then
            mean the same for every network.

    Returns:
        0-dim, float32 (float64 of float64), 0 for equal features.

    Raises:
        ValueError: No layer has a weight, layers with a weight are missing, or the shapes differ.
    """
    if not weights:
        raise ValueError("no layer has a weight")
    missing = [
        f"{', '.join(lacking)} of the {whose}"
        for whose, found in (("pictures", features), ("targets", target))
        if (lacking := sorted(weights.keys() - found.keys()))
    ]
    if missing:
        raise ValueError(f"features are missing: {'; '.join(missing)}")
    terms = []
    for layer, weight in weights.items():
        found, wanted = matched(features[layer], target[layer])
        terms.append(weight * (relative_l1(found, wanted) if relative else (found - wanted).abs().mean()))
    return torch.stack(terms).sum()
