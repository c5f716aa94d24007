"""The perceptual score of the NTIRE 2025 challenge on image super-resolution (x4)."""

from collections.abc import Mapping

PARTS = ("lpips", "dists", "clip_iqa", "maniqa", "musiq", "niqe")
"""The metrics that the score adds up."""


def perceptual_score(scores: Mapping[str, float]) -> float:
    """Add up the metrics of a picture, each brought to about 0 to 1; higher is better.

    (1 - LPIPS) + (1 - DISTS) + CLIP-IQA + MANIQA + MUSIQ / 100 + max(0, (10 - NIQE) / 10).

    Source: Z. Chen et al., "NTIRE 2025 challenge on image super-resolution (x4): methods and results", CVPRW 2025,
    arXiv:2504.14582. The challenge adds up the means over all pictures, which is the mean of this unless NIQE passes
    10 somewhere.

    Args:
        scores: The scores of `PARTS`.
    """
    return (
        (1 - scores["lpips"])
        + (1 - scores["dists"])
        + scores["clip_iqa"]
        + scores["maniqa"]
        + scores["musiq"] / 100
        + max(0.0, (10 - scores["niqe"]) / 10)
    )
