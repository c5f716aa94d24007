"""Degrade pictures: previews, stored pairs and training share this code."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Generator, Tensor

from aimanga.degrade.blur import blur, usm_sharpen
from aimanga.degrade.jpeg import jpeg
from aimanga.degrade.kernels import disk, gaussian, generalized_gaussian, motion, plateau, sinc, unsharp
from aimanga.degrade.noise import camera_noise, gaussian_noise, poisson_noise
from aimanga.degrade.resize import resize
from aimanga.degrade.steps import (
    CameraStep,
    CompressStep,
    FilterStep,
    GaussianStep,
    PoissonStep,
    ResizeStep,
    Sample,
    Step,
    UsmStep,
)
from aimanga.images.codec import recompressed
from aimanga.tensors import from_array, to_array

KERNELS: dict[str, Callable[..., Tensor]] = {
    kernel.__name__: kernel for kernel in (gaussian, generalized_gaussian, plateau, sinc, disk, motion, unsharp)
}
"""The kernels by the names that steps use."""


def degrade(batch: Tensor, samples: Sequence[Sample]) -> Tensor:
    """Degrade each picture of a batch by a sample of its own.

    On a CPU the real codecs compress; on other devices `aimanga.degrade.jpeg` does. The result of a picture does not
    depend on the rest of its batch, bit by bit.

    Args:
        batch: N x 3 x H x W, float32, RGB, range [0, 1].
        samples: One a picture, drawn for its size.

    Returns:
        N x 3 x h x w, multiples of 1/255 in [0, 1].
    """
    pictures = [batch[n : n + 1] for n in range(len(samples))]
    threads = torch.get_num_threads()
    workers = min(threads, len(samples)) if batch.device.type == "cpu" else 1
    if workers == 1:
        return torch.cat(list(map(_degraded, pictures, samples)))
    # One thread a picture: most steps are too small for several, and Poisson noise is drawn by one thread only. A new
    # pool for each call: one that outlives it would hang in a forked process.
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return torch.cat(list(pool.map(_degraded, pictures, samples)))
    finally:
        torch.set_num_threads(threads)  # the pool's threads have changed it for all threads to come


def _degraded(x: Tensor, sample: Sample) -> Tensor:
    generator = Generator(x.device).manual_seed(sample.seed)
    for step in sample.steps:
        x = _apply(x, step, generator)
    return (x.clamp(0, 1) * 255).round() / 255


def _apply(x: Tensor, step: Step, generator: Generator) -> Tensor:
    match step:
        case UsmStep():
            return usm_sharpen(x)
        case FilterStep():
            kernel = KERNELS[step.kernel](step.size, **step.parameters)
            return blur(x, kernel[None])
        case ResizeStep():
            return resize(x, step.height, step.width, step.mode)
        case GaussianStep():
            return gaussian_noise(x, step.sigma, generator, shared=step.gray).clamp(0, 1)
        case PoissonStep():
            return poisson_noise(x, step.scale, generator, shared=step.gray).clamp(0, 1)
        case CameraStep():
            return camera_noise(x, step.shot, step.read, generator)
        case CompressStep():
            return _compressed(x, step)


def _compressed(x: Tensor, step: CompressStep) -> Tensor:
    if step.op == "jpeg" and x.device.type != "cpu":
        return jpeg(x, float(step.quality), "4:2:0" if step.subsampled else "4:4:4")
    pixels = to_array(x, np.uint8)
    return from_array(recompressed(pixels, step.op, step.quality, subsampled=step.subsampled)).to(x.device)
