"""How fast the degradation is, against the same recipe written the reference way, in one run.

    python benchmarks/degrade.py

Batches of 8 x 3 x 400 x 400 through Real-ESRGAN's recipe. The reference way is that of the published training code:
all operations on the whole batch, which shares sizes and kinds of noise; kernels padded to 21 x 21 and applied as a
depthwise convolution; levels counted by sorting; JPEG in tensors. Both ways run in turns over the same draws.
Real-ESRGAN sharpens its pictures first (51 x 51 taps); it is measured with and without that.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from aimanga.degrade import Recipe, Sample, degrade, draw, load_degradation
from aimanga.degrade.jpeg import jpeg
from aimanga.degrade.kernels import gaussian
from aimanga.degrade.pipeline import KERNELS
from aimanga.degrade.steps import CompressStep, FilterStep, GaussianStep, PoissonStep, ResizeStep, UsmStep
from aimanga.images import read
from aimanga.tensors import from_array, gray

BATCH, SIDE, ROUNDS = 8, 400, 12


def filtered(x: Tensor, kernels: Tensor) -> Tensor:
    """A depthwise convolution, each picture with a kernel of its own."""
    reach = kernels.shape[-1] // 2
    padded = F.pad(x, (reach,) * 4, mode="reflect")
    channels = padded.reshape(1, -1, *padded.shape[2:])
    weights = kernels[:, None].repeat_interleave(3, 0)
    return F.conv2d(channels, weights, groups=len(weights)).view(x.shape)


def sharpened(x: Tensor) -> Tensor:
    """Unsharp masking with 51 x 51 taps."""
    kernels = gaussian(51, 8.0, 8.0, 0).expand(len(x), -1, -1)
    residual = x - filtered(x, kernels)
    mask = filtered((residual.abs() * 255 > 10).float(), kernels)
    return mask * (x + 0.5 * residual).clamp(0, 1) + (1 - mask) * x


def poisson(x: Tensor, step: PoissonStep, generator: Generator) -> Tensor:
    """Poisson noise, the levels of each picture counted by sorting."""
    levels = (x.clamp(0, 1) * 255).round() / 255
    if step.gray:
        levels = (gray(levels) * 255).round() / 255
    white = torch.tensor([2.0 ** (len(torch.unique(p)) - 1).bit_length() for p in levels]).view(-1, 1, 1, 1)
    return x + (torch.poisson(levels * white, generator=generator) / white - levels) * step.scale


def reference(batch: Tensor, samples: list[Sample]) -> Tensor:
    """The batch through the steps of its first sample, with its own kernels and qualities where it has them."""
    generator = Generator().manual_seed(samples[0].seed)
    x = batch
    for place, step in enumerate(samples[0].steps):
        others = [s.steps[place] if place < len(s.steps) and s.steps[place].op == step.op else step for s in samples]
        match step:
            case UsmStep():
                x = sharpened(x)
            case FilterStep():
                kernels = [KERNELS[s.kernel](s.size, **s.parameters) for s in others if isinstance(s, FilterStep)]
                x = filtered(x, torch.stack([F.pad(k, ((21 - len(k)) // 2,) * 4) for k in kernels]))
            case ResizeStep():
                options = {} if step.mode == "area" else {"align_corners": False}
                x = F.interpolate(x, (step.height, step.width), mode=step.mode, **options)
            case GaussianStep():
                shape = (len(x), 1 if step.gray else 3, *x.shape[2:])
                x = (x + torch.randn(shape, generator=generator) * (step.sigma / 255)).clamp(0, 1)
            case PoissonStep():
                x = poisson(x, step, generator).clamp(0, 1)
            case CompressStep():
                x = jpeg(x, torch.tensor([float(s.quality) for s in others if isinstance(s, CompressStep)]))
    return (x.clamp(0, 1) * 255).round() / 255


def main() -> None:
    """Measure both ways in turns, and print the ratio."""
    photo = from_array(read(Path(__file__).parent / "reef.jpg").pixels)
    batch = torch.cat([photo[:, :, 100 * n : 100 * n + SIDE, :SIDE] for n in range(BATCH)])
    published = load_degradation("realesrgan")
    ways: dict[str, Callable[[Tensor, list[Sample]], Tensor]] = {"reference": reference, "aimanga": degrade}
    print(f"{torch.get_num_threads()} threads, batches of {BATCH} x 3 x {SIDE} x {SIDE}, milliseconds a sample\n")
    for title, recipe in (
        ("Real-ESRGAN's recipe", published),
        ("without sharpening the source", published.replaced(sharpen_source=False)),
    ):
        times: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(ROUNDS + 1):
            samples = drawn(recipe, turn)
            for way, function in ways.items():
                begin = time.perf_counter()
                function(batch, samples)
                times[way].append((time.perf_counter() - begin) / BATCH)
        means = {way: 1000 * statistics.fmean(found[1:]) for way, found in times.items()}  # the first one warms up
        print(f"{title:32} " + "  ".join(f"{way} {mean:6.1f}" for way, mean in means.items()), end="  ")
        print(f"ratio {means['reference'] / means['aimanga']:.2f}")
    begin = time.perf_counter()
    for turn in range(ROUNDS):
        drawn(published, turn)
    print(f"{'drawing alone':32} {1000 * (time.perf_counter() - begin) / ROUNDS / BATCH:.2f}")


def drawn(recipe: Recipe, turn: int, side: int = SIDE, count: int = BATCH) -> list[Sample]:
    """The samples of one batch."""
    return [draw(recipe, side, side, turn * count + n) for n in range(count)]


if __name__ == "__main__":
    main()
