"""How far the spectra of two pictures lie apart, the frequencies that are furthest off above all.

Source: L. Jiang, B. Dai, W. Wu, C. C. Loy, "Focal Frequency Loss for Image Reconstruction and Synthesis", ICCV 2021,
arXiv:2012.12821.
"""

import torch
from torch import Tensor

from aimanga.losses.operands import matched


def focal_frequency(x: Tensor, target: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Compute the mean squared difference of the spectra, each frequency weighted by its own difference.

    With d the difference of the orthonormal two-dimensional Fourier transforms of one channel, the weight of a
    frequency is |d|^alpha, divided by the largest of this picture's channel; the loss is the mean of weight x |d|^2.
    The weights are constants: no gradient passes through them.

    Args:
        x: N x C x H x W, range [0, 1].
        target: Likewise.
        alpha: At least 0: how much the furthest frequencies count before the others; with 0 it is the mean squared
            error (Parseval).

    Returns:
        0-dim, float32 (float64 of float64), 0 for equal pictures.

    Raises:
        ValueError: The shapes differ, or `alpha` is below 0.
    """
    if alpha < 0:
        raise ValueError(f"the alpha of the focal frequency loss is 0 or more, not {alpha:g}")
    x, target = matched(x, target)
    # The transform is linear: one of the difference is the difference of two, and half the work.
    spectrum: Tensor = torch.fft.fft2(x - target, norm="ortho")
    # Not by the absolute value, which has no slope at zero.
    power = spectrum.real.square() + spectrum.imag.square()
    with torch.no_grad():
        weights = power.pow(alpha / 2)
        # Of equal pictures all weights are 0, and stay so.
        weights = weights / weights.amax((2, 3), keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)
    return (weights * power).mean()
