"""How long an iteration of training takes, against the reference way, in one run.

    python benchmarks/train.py [--device cuda] [--compile] [--rounds 2]

The whole GAN step (degrade, generator, discriminator, perceptual loss) of the aimanga recipe, RRDBNet-23, crops of 128
pixels, batches of 4. Where VGG19's weights are missing random ones stand in: they are as slow. The reference way is
that of the published training code, with the same networks: float32, eager, NCHW, the degradation as operations on the
whole batch (see degrade.py), the discriminator frozen for the generator's pass and then run again, with a pass for each
of its two losses. Each way has a process of its own, and the ways take turns.
"""

import argparse
import copy
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from aimanga.degrade import degrade, load_degradation
from aimanga.images import read
from aimanga.memory import freed_memory_kept
from aimanga.tensors import from_array
from aimanga.train.fabric import make_fabric
from aimanga.train.learner import Learner
from aimanga.train.networks import Networks, build
from aimanga.train.reading import RecipeFile, load_train_recipe
from aimanga.train.schedule import learning_rates
from degrade import drawn, reference, sharpened

SIDE, BATCH, ITERATIONS = 128, 4, 4
WAYS = ("reference", "aimanga fp32", "aimanga bf16")


def pictures() -> Iterator[Tensor]:
    """Batches of crops of a photo."""
    photo = from_array(read(Path(__file__).parent / "reef.jpg").pixels)
    generator = torch.Generator().manual_seed(0)
    while True:
        tops, lefts = (torch.randint(0, n - SIDE, (BATCH,), generator=generator).tolist() for n in photo.shape[2:])
        yield torch.cat([photo[:, :, y : y + SIDE, x : x + SIDE] for y, x in zip(tops, lefts, strict=True)])


def reference_step(networks: Networks) -> Callable[[Tensor, Tensor], None]:
    """An iteration as the published training code does it."""
    generator, discriminator, vgg = networks.generator, networks.discriminator, networks.vgg
    assert discriminator is not None
    assert vgg is not None
    ema = copy.deepcopy(generator)
    discriminator.train()
    optimizers = [torch.optim.Adam(x.parameters(), 1e-4, betas=(0.9, 0.99)) for x in (generator, discriminator)]
    layers = {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}

    def adversarial(x: Tensor, real: float) -> Tensor:
        maps = discriminator(x)
        return sum(F.binary_cross_entropy_with_logits(m, torch.full_like(m, real)) for m in maps) / len(maps)

    def step(low: Tensor, high: Tensor) -> None:
        sharp = sharpened(high)
        discriminator.requires_grad_(False)
        optimizers[0].zero_grad()
        output = generator(low)
        features, wanted = vgg(output), vgg(sharp.detach())
        loss = F.l1_loss(output, sharp) + 0.1 * adversarial(output, 1.0)
        loss = loss + sum(weight * F.l1_loss(features[k], wanted[k].detach()) for k, weight in layers.items())
        loss.backward()
        optimizers[0].step()
        discriminator.requires_grad_(True)
        optimizers[1].zero_grad()
        adversarial(high, 1.0).backward()
        adversarial(output.detach().clone(), 0.0).backward()
        optimizers[1].step()
        with torch.no_grad():
            for mean, parameter in zip(ema.parameters(), generator.parameters(), strict=True):
                mean.mul_(0.999).add_(parameter, alpha=0.001)

    return step


def ours_step(file: RecipeFile, networks: Networks, device: str) -> Callable[[Tensor, Tensor], None]:
    """An iteration of `aimanga train`."""
    fabric, _, scaler = make_fabric(device, file.recipe)
    learner = Learner(networks, file.recipe, fabric, scaler)

    def step(low: Tensor, high: Tensor) -> None:
        learner.step(low, high, learning_rates(0, file.recipe))

    return step


def measure(way: str, device: str, compiled: bool) -> dict[str, float]:
    """Seconds of an iteration and of its degradation, and the peak of the memory in MB."""
    settings = [f"train.batch_size={BATCH}", f"data.crop={SIDE}", f"compute.compile={str(compiled).lower()}"]
    if way != "reference":
        settings.append(f"compute.precision={way.split()[1]}")
    file = load_train_recipe("aimanga", settings)
    networks = build(file, random_vgg=True)
    ours = way != "reference"
    if not ours:
        for network in (networks.generator, networks.discriminator, networks.vgg):
            assert network is not None
            network.to(device)
    step = ours_step(file, networks, device) if ours else reference_step(networks)
    recipe = load_degradation("realesrgan")
    totals, degradations = [], []
    with freed_memory_kept() if ours else nullcontext():
        for turn, batch in zip(range(ITERATIONS + 1), pictures(), strict=False):
            samples = drawn(recipe, turn, SIDE, BATCH)
            begin = time.perf_counter()
            high = batch.to(device)
            low = (degrade if ours else reference)(high, samples)
            degraded = time.perf_counter()
            step(low, high)
            if device == "cuda":
                torch.cuda.synchronize()
            totals.append(time.perf_counter() - begin)
            degradations.append(degraded - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 1e6
    # The first iteration warms up.
    return {
        "seconds": statistics.median(totals[1:]), "degradation": statistics.median(degradations[1:]), "memory": peak,
    }  # fmt: skip


def main() -> None:
    """Measure all ways in turns, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--way")
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options.way, options.device, options.compile)))
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(options.rounds):
        for way in WAYS:
            command = [sys.executable, __file__, "--device", options.device, "--way", way]
            command += ["--compile"] if options.compile and way != "reference" else []
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found[way].append(json.loads(done.stdout.splitlines()[-1]))
    capabilities = ", ".join(k for k, v in torch.cpu.get_capabilities().items() if v and k in _INSTRUCTIONS)
    print(
        f"{options.device}, {torch.get_num_threads()} threads ({capabilities}), "
        f"batches of {BATCH} x 3 x {SIDE} x {SIDE}\n"
    )
    usual = statistics.median(x["seconds"] for x in found["reference"])
    print(f"{'':16}{'s/iteration':>12}{'degrading':>12}{'samples/s':>12}{'memory MB':>12}{'ratio':>8}")
    for way, runs in found.items():
        seconds, degrading, memory = (
            statistics.median(x[key] for x in runs) for key in ("seconds", "degradation", "memory")
        )
        print(f"{way:16}{seconds:12.2f}{degrading:12.3f}{BATCH / seconds:12.2f}{memory:12.0f}{usual / seconds:8.2f}")


_INSTRUCTIONS = ("avx2", "avx512_f", "avx512_bf16", "avx512_fp16", "amx_bf16")

if __name__ == "__main__":
    main()
