"""Kernels: the point spread functions of lenses, motion and sharpening.

Each is a `size` x `size` tensor, float32, that sums to 1, centred; `size` is odd. A kernel that is too small for its
parameters is truncated and normalized, as in the published degradations.

Sources: X. Wang et al., "Real-ESRGAN", ICCVW 2021, arXiv:2107.10833, section 3 (the Gaussian families and the sinc
filter); Y.-Q. Liu et al., "Estimating generalized Gaussian blur kernels for out-of-focus image deblurring", IEEE TCSVT
31(3), 2021.
"""

import math

import torch
from torch import Tensor


def gaussian(size: int, sigma_x: float, sigma_y: float, angle: float) -> Tensor:
    """A Gaussian, exp(-q / 2), where q = d' S^-1 d is the squared distance in units of the sigmas.

    Args:
        size: Side of the kernel, odd.
        sigma_x: Standard deviation along the first axis of the ellipse, in pixels; isotropic where equal to `sigma_y`.
        sigma_y: Standard deviation along the second axis.
        angle: Of the first axis against the picture's horizontal, in radians.
    """
    return _normalized(torch.exp(-0.5 * _distance(size, sigma_x, sigma_y, angle)))


def generalized_gaussian(size: int, sigma_x: float, sigma_y: float, angle: float, beta: float) -> Tensor:
    """A generalized Gaussian: exp(-q^beta / 2).

    Args:
        size: As for `gaussian`, like all that follow.
        sigma_x: Scale along the first axis; the standard deviation for `beta` = 1 only.
        sigma_y: Scale along the second axis.
        angle: Of the first axis.
        beta: Below 1 it is peaked with long tails, above it is flat on top.
    """
    return _normalized(torch.exp(-0.5 * _distance(size, sigma_x, sigma_y, angle) ** beta))


def plateau(size: int, sigma_x: float, sigma_y: float, angle: float, beta: float) -> Tensor:
    """Flat on top, with flanks of a power: 1 / (1 + q^beta).

    Args:
        size: As for `gaussian`, like all that follow.
        sigma_x: Distance along the first axis at which it has fallen to a half.
        sigma_y: The same along the second axis.
        angle: Of the first axis.
        beta: How steep the flanks are.
    """
    return _normalized(1 / (1 + _distance(size, sigma_x, sigma_y, angle) ** beta))


def sinc(size: int, cutoff: float) -> Tensor:
    """The ideal low-pass filter, truncated: it rings at edges as resizing and sharpening do.

    w J1(w r) / (2 pi r), where J1 is the Bessel function of the first kind and r the distance from the centre.

    Args:
        size: Side of the kernel, odd.
        cutoff: The angular frequency w above which nothing passes, in radians a pixel, up to pi.
    """
    y, x = _grid(size)
    radius = torch.hypot(x, y)
    centre = cutoff**2 / (4 * math.pi)
    values = cutoff * torch.special.bessel_j1(cutoff * radius) / (2 * math.pi * radius)
    return _normalized(torch.where(radius == 0, centre, values))


def motion(size: int, length: float, angle: float) -> Tensor:
    """Straight, uniform motion blur: a segment through the centre, drawn with linear interpolation.

    Args:
        size: Side of the kernel, odd.
        length: Of the segment, in pixels.
        angle: Of the segment against the picture's horizontal, in radians.
    """
    steps = 16 * math.ceil(length) + 1
    along = ((torch.arange(steps, dtype=torch.float64) + 0.5) / steps - 0.5) * length
    y, x = _grid(size)
    down = (1 - (y[..., None] - along * math.sin(angle)).abs()).clamp(min=0)
    across = (1 - (x[..., None] - along * math.cos(angle)).abs()).clamp(min=0)
    return _normalized((down * across).sum(-1))


def disk(size: int, radius: float) -> Tensor:
    """Defocus blur: the share of each pixel that lies within a circle.

    Args:
        size: Side of the kernel, odd.
        radius: Of the circle, in pixels.
    """
    parts = 16  # samples of each pixel along each axis
    offsets = (torch.arange(parts, dtype=torch.float64) + 0.5) / parts - 0.5
    y, x = _grid(size)
    inside = torch.hypot(x[..., None, None] + offsets, y[..., None, None] + offsets[:, None]) <= radius
    return _normalized(inside.double().mean((-2, -1)))


def unsharp(size: int, sigma: float, amount: float) -> Tensor:
    """Unsharp masking (USM): the picture plus `amount` times the residual of a Gaussian blur.

    Args:
        size: Side of the kernel, odd.
        sigma: Standard deviation of the Gaussian, in pixels.
        amount: How much is added; 0 changes nothing.
    """
    kernel = -amount * gaussian(size, sigma, sigma, 0)
    kernel[size // 2, size // 2] += 1 + amount
    return kernel


def _grid(size: int) -> tuple[Tensor, Tensor]:
    """Rows and columns counted from the centre, float64, each size x size."""
    if size < 1 or size % 2 == 0:
        raise ValueError(f"the side of a kernel is odd, not {size}")
    line = torch.arange(size, dtype=torch.float64) - size // 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    return y, x


def _distance(size: int, sigma_x: float, sigma_y: float, angle: float) -> Tensor:
    """The squared distance from the centre in units of the sigmas."""
    y, x = _grid(size)
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    return (along / sigma_x) ** 2 + (across / sigma_y) ** 2


def _normalized(kernel: Tensor) -> Tensor:
    return (kernel / kernel.sum()).float()
