"""PI: the perceptual index, (NIQE + 10 - NRQM) / 2.

Source: Y. Blau et al., "The 2018 PIRM challenge on perceptual image super-resolution", ECCVW 2018, arXiv:1809.07517,
and the organizers' evaluation.
"""

import torch
from torch import Tensor

from aimanga.metrics.levels import luma_levels, require_size
from aimanga.metrics.niqe import BLOCK, niqe_of_levels
from aimanga.metrics.nrqm import NRQM

_SHAVE = 4


def perceptual_index(pictures: Tensor, nrqm: NRQM) -> Tensor:
    """Compute PI = (NIQE + 10 - NRQM) / 2 by the challenge's protocol; lower is better.

    Both metrics are computed on Y of BT.601 in video range, on 8 bits, with 4 pixels shaved off each border; on their
    own they are computed on the gray picture.

    Args:
        pictures: N x 3 x H x W, range [0, 1], rounded to 8 bits, 200 x 104 pixels or more.
        nrqm: The loaded metric.

    Returns:
        N scores, float64.

    Raises:
        PictureError: The pictures are too small, or without content.
    """
    require_size(pictures, "PI", BLOCK + 2 * _SHAVE, 2 * BLOCK + 2 * _SHAVE)
    levels = luma_levels(pictures)[:, :, _SHAVE:-_SHAVE, _SHAVE:-_SHAVE]
    naturalness = torch.stack([niqe_of_levels(picture) for picture in levels[:, 0]])
    likeness: Tensor = nrqm(levels / 255)
    return (naturalness + 10 - likeness) / 2
