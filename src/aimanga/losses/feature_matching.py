"""Feature matching: the generator's output is to look like the HR crop to every layer of the discriminator.

Sources: T. Salimans et al., "Improved Techniques for Training GANs", NIPS 2016, arXiv:1606.03498; T.-C. Wang et al.,
"High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs", CVPR 2018, arXiv:1711.11585.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from aimanga.losses.operands import matched, relative_l1


def feature_matching(fake: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Compute the mean over the layers of the L1 distance of their features, relative to the real ones' mean size.

    Args:
        fake: Features of the generated pictures by layer, N x C x h x w.
        real: Likewise, of the real pictures; no gradient flows into them.

    Returns:
        0-dim, float32 (float64 of float64), 0 for equal features.

    Raises:
        ValueError: There are no layers, or their shapes differ.
    """
    if not fake or len(fake) != len(real):
        raise ValueError(f"{len(fake)} layers of the generated pictures, {len(real)} of the real ones")
    pairs = (matched(ours, wanted.detach()) for ours, wanted in zip(fake, real, strict=True))
    return torch.stack([relative_l1(ours, wanted) for ours, wanted in pairs]).mean()
