"""The shape of a generalized Gaussian from its moments, as NRQM estimates it.

Source: C. Ma et al., "Learning a no-reference quality metric for single-image super-resolution", CVIU 158, 2017,
arXiv:1612.05890, and its official code chaoma99/sr-metric (MIT).
"""

from torch import Tensor

from aimanga.scene_statistics import nearest_shape


def shape(variance: Tensor, deviation: Tensor) -> Tensor:
    """Estimate the shape by the ratio of the variance to the squared mean absolute deviation.

    Args:
        variance: The unbiased variances, any shape, float64.
        deviation: Likewise, the mean absolute deviations from the mean.

    Returns:
        Likewise, the shapes, from 0.03 to 10 in steps of 0.001; 2 for a normal distribution, 1 for a Laplacian, 10
        for constant samples.
    """
    return nearest_shape(variance / (deviation.square() + 1e-7), lowest=0.03, inverse=True)
