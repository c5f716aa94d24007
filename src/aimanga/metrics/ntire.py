"""The perceptual score of the NTIRE 2025 challenge on image super-resolution (x4).

Source: Z. Chen et al., "NTIRE 2025 challenge on image super-resolution (x4): methods and results", CVPRW 2025,
arXiv:2504.14582.
"""

from collections.abc import Mapping

from torch import Tensor

PARTS = ("lpips", "dists", "clip_iqa", "maniqa", "musiq", "niqe")
"""The metrics that the score is composed of."""


def perceptual_score(scores: Mapping[str, Tensor]) -> Tensor:
    """Compute (1 - LPIPS) + (1 - DISTS) + CLIP-IQA + MANIQA + MUSIQ / 100 + max(0, (10 - NIQE) / 10).

    Each term is about 0 to 1; higher is better. The challenge sums the means over all pictures, which is the mean of
    this score unless NIQE exceeds 10 for a picture.

    Args:
        scores: N scores of each of `PARTS`.

    Returns:
        N scores.
    """
    return (
        (1 - scores["lpips"])
        + (1 - scores["dists"])
        + scores["clip_iqa"]
        + scores["maniqa"]
        + scores["musiq"] / 100
        + ((10 - scores["niqe"]) / 10).clamp(min=0)
    )
