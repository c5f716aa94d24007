"""Degrade pictures: the one way for previews, stored pairs and training."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Generator, Tensor

from aimanga.degrade import kernels
from aimanga.degrade.blur import blur, usm_sharpen
from aimanga.degrade.jpeg import jpeg
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
    "gaussian": kernels.gaussian,
    "generalized_gaussian": kernels.generalized_gaussian,
    "plateau": kernels.plateau,
    "sinc": kernels.sinc,
    "disk": kernels.disk,
    "motion": kernels.motion,
    "unsharp": kernels.unsharp,
}
"""The kernels by the names under which steps know them."""


def degrade(batch: Tensor, samples: Sequence[Sample]) -> Tensor:
    """Degrade each picture of a batch by a sample of its own.

    On a CPU compression is done by the real codecs; on other devices JPEG is done by `aimanga.degrade.jpeg`. A picture
    comes out the same, bit by bit, whatever else is in its batch.

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
    # A thread a picture: most steps are too small to be shared out, and Poisson noise is made by one thread only. A new
    # pool each time: one that outlives the call would hang in a forked process.
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return torch.cat(list(pool.map(_degraded, pictures, samples)))
    finally:
        torch.set_num_threads(threads)  # what the pool's threads have set holds for all that are yet to come


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
