"""Noise of sensors.

All functions add to a batch and neither clip nor round. Random numbers come from the given generator alone.

Sources: X. Wang et al., "Real-ESRGAN", ICCVW 2021, arXiv:2107.10833, section 3.2 (Gaussian and Poisson noise, colour
and gray); A. Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data", IEEE TIP
17(10), 2008 (read and shot noise); K. Hirakawa and T. Parks, "Joint demosaicing and denoising", IEEE TIP 15(8), 2006
(demosaicing correlates noise).
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from aimanga.tensors import gray


def gaussian_noise(x: Tensor, sigma: float, generator: Generator, *, shared: bool = False) -> Tensor:
    """Add Gaussian noise.

    Args:
        x: N x C x H x W, range [0, 1].
        sigma: Standard deviation, in levels of 255.
        generator: Source of randomness, on the device of `x`.
        shared: Add the same noise to all channels: gray instead of colour noise.
    """
    return x + _normal(x, generator, shared) * (sigma / 255)


def poisson_noise(x: Tensor, scale: float, generator: Generator, *, shared: bool = False) -> Tensor:
    """Add Poisson noise (shot noise): its variance is proportional to the light.

    The expected count at white is the number of distinct levels of the picture, in 8 bits, rounded up to a power of
    two, as in Real-ESRGAN. The deviation of the counts is added, `scale` times.

    Args:
        x: N x C x H x W, range [0, 1].
        scale: Strength; 1 for the counts as they are.
        generator: Source of randomness, on the device of `x`.
        shared: Count the light of the gray picture, and add the same noise to all channels.
    """
    levels = (x.clamp(0, 1) * 255).round() / 255
    if shared:
        levels = (gray(levels) * 255).round() / 255
    noise = []
    for picture in levels:
        # A histogram is much faster than sorting.
        different = int((torch.bincount((picture * 255).round().long().flatten(), minlength=256) > 0).sum())
        white = 2.0 ** max(0, (different - 1).bit_length())
        noise.append(torch.poisson(picture * white, generator=generator) / white - picture)
    return x + torch.stack(noise) * scale


def camera_noise(x: Tensor, shot: float, read: float, generator: Generator) -> Tensor:
    """Add the noise of a sensor with a Bayer mosaic, correlated over several pixels by demosaicing.

    In light that is linear (gamma 2.2) each photosite gets normal noise of variance shot * light + read^2. Each
    colour has its own photosites, red and blue a quarter of the pixels, green a half; what lies between is interpolated
    linearly, noise and all.

    Args:
        x: N x 3 x H x W, range [0, 1].
        shot: Variance for each unit of light.
        read: Standard deviation in the dark (read noise).
        generator: Source of randomness, on the device of `x`.

    Returns:
        N x 3 x H x W, range [0, 1].
    """
    light = x.clamp(0, 1) ** 2.2
    noise = _normal(light, generator, shared=False) * torch.sqrt(shot * light + read**2)
    sites = torch.zeros_like(x[:1])
    sites[:, 0, 0::2, 0::2] = 1
    sites[:, 1, 0::2, 1::2] = 1
    sites[:, 1, 1::2, 0::2] = 1
    sites[:, 2, 1::2, 1::2] = 1
    tent = x.new_tensor([0.5, 1.0, 0.5])
    weights = torch.outer(tent, tent).expand(3, 1, 3, 3)
    spread = F.conv2d(noise * sites, weights, padding=1, groups=3)
    spread /= F.conv2d(sites, weights, padding=1, groups=3)
    return (light + spread).clamp(0, 1) ** (1 / 2.2)


def _normal(x: Tensor, generator: Generator, shared: bool) -> Tensor:
    shape = (len(x), 1, *x.shape[2:]) if shared else x.shape
    return torch.randn(shape, generator=generator, device=x.device, dtype=x.dtype)
