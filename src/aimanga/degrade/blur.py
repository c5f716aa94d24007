"""Filter pictures with kernels; unsharp masking (USM)."""

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from aimanga.degrade.kernels import gaussian


def blur(x: Tensor, kernels: Tensor) -> Tensor:
    """Filter each picture with a kernel of its own, by FFT; the borders are mirrored.

    Args:
        x: N x C x H x W, float32.
        kernels: N x k x k, k odd.

    Returns:
        N x C x H x W.
    """
    height, width = x.shape[2:]
    reach = kernels.shape[-1] // 2
    padded = x.index_select(2, _mirrored(height, reach, x.device)).index_select(3, _mirrored(width, reach, x.device))
    size = [2 * next_fast_len(-(-side // 2), real=True) for side in padded.shape[2:]]  # even ones are fastest
    spectrum = torch.fft.rfft2(padded, s=size)
    spectrum *= torch.fft.rfft2(kernels.to(x).flip(-1, -2), s=size)[:, None]
    filtered: Tensor = torch.fft.irfft2(spectrum, s=size)
    # This is the full convolution: the result begins after the kernel's width.
    return filtered[:, :, 2 * reach : 2 * reach + height, 2 * reach : 2 * reach + width].contiguous()


def usm_sharpen(x: Tensor, *, radius: int = 50, weight: float = 0.5, threshold: float = 10.0) -> Tensor:
    """Sharpen by unsharp masking, where the picture has edges.

    The residual is the picture less its blur. The picture plus `weight` times the residual, clipped, is blended in by
    a soft mask of where the residual exceeds `threshold`, as Real-ESRGAN sharpens its targets (arXiv:2107.10833,
    section 3.4).

    Args:
        x: N x C x H x W, range [0, 1].
        radius: Side of the Gaussian's kernel, in pixels; made odd.
        weight: How much is added.
        threshold: In levels of 255.

    Returns:
        N x C x H x W, range [0, 1].
    """
    size = radius + 1 - radius % 2
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8  # the deviation that goes with a size in OpenCV
    kernel = gaussian(size, sigma, sigma, 0).expand(len(x), -1, -1)
    residual = x - blur(x, kernel)
    mask = blur((residual.abs() * 255 > threshold).to(x.dtype), kernel)
    sharp = (x + weight * residual).clamp(0, 1)
    return torch.lerp(x, sharp, mask)


def _mirrored(length: int, reach: int, device: torch.device) -> Tensor:
    """Where to read a line of samples that goes on by `reach` at both ends, mirrored at its first and last sample."""
    positions = torch.arange(-reach, length + reach, device=device).abs()
    positions %= max(1, 2 * (length - 1))
    return torch.minimum(positions, (2 * (length - 1) - positions).abs())
