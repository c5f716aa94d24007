"""The focal frequency loss: the distance of spectra, weighted towards the frequencies that are hard to synthesize.

Source: L. Jiang, B. Dai, W. Wu, C. C. Loy, "Focal Frequency Loss for Image Reconstruction and Synthesis", ICCV 2021,
arXiv:2012.12821.
"""

import torch
from torch import Tensor

from aimanga.losses.operands import matched


def focal_frequency(x: Tensor, target: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Compute the mean squared difference of the spectra, each frequency weighted by its own difference.

    With d the difference of the orthonormal 2D Fourier transforms of a channel, the weight of a frequency is |d|^alpha
    over its maximum in that channel; the loss is the mean of weight x |d|^2. The weights have no gradient.

    Args:
        x: N x C x H x W, range [0, 1].
        target: Likewise.
        alpha: At least 0: the focus on the largest differences; 0 gives the mean squared error (Parseval).

    Returns:
        0-dim, float32 (float64 of float64), 0 for equal pictures.

    Raises:
        ValueError: The shapes differ, or `alpha` is below 0.
    """
    if alpha < 0:
        raise ValueError(f"the alpha of the focal frequency loss must be 0 or more, not {alpha:g}")
    x, target = matched(x, target)
    # The transform is linear: one transform of the difference is enough.
    spectrum: Tensor = torch.fft.fft2(x - target, norm="ortho")
    # Not by the absolute value, which has no derivative at zero.
    power = spectrum.real.square() + spectrum.imag.square()
    with torch.no_grad():
        weights = power.pow(alpha / 2)
        # For equal pictures all weights are 0, and stay 0.
        weights = weights / weights.amax((2, 3), keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)
    return (weights * power).mean()
