"""The shape of a generalized Gaussian by its moments, as NRQM searches for it.

Source: C. Ma et al., "Learning a no-reference quality metric for single-image super-resolution", CVIU 158, 2017,
arXiv:1612.05890, and its official code chaoma99/sr-metric (MIT).
"""

from torch import Tensor

from aimanga.scene_statistics import nearest_shape


def shape(variance: Tensor, deviation: Tensor) -> Tensor:
    """The shape whose ratio of variance to squared mean absolute deviation is nearest to the sample's.

    Args:
        variance: Any shape, float64, at least 0; unbiased by definition.
        deviation: Likewise: the mean absolute deviation from the mean.

    Returns:
        Likewise: from 0.03 to 10 in steps of 0.001; 2 for a normal distribution, 1 for Laplace's. A constant
        sample has 10.
    """
    return nearest_shape(variance / (deviation.square() + 1e-7), lowest=0.03, inverse=True)
