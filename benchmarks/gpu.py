"""All that is measured on a GPU: one command, one report, in less than six minutes.

    python benchmarks/gpu.py [--device cuda] [--dry-run] [--only upscale degrade train resume tests]

It needs the package with its extra `train`, pytest for the tests, and no network. Ways that are compared take turns in
this one process; times are the best of a few rounds, after a warm-up that is not counted. Where VGG19's weights are
missing random ones stand in: they take as long. `--dry-run` does everything with small sizes on the CPU, in half a
minute; its figures mean nothing.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from aimanga import train
from aimanga.degrade import degrade, load_degradation, load_degradations
from aimanga.device import choose_device, device_in_words
from aimanga.images import Picture, read, write
from aimanga.models import load_model
from aimanga.tensors import from_array
from aimanga.train.check import check
from aimanga.train.fabric import make_fabric
from aimanga.train.learner import Learner
from aimanga.train.loader import Loader, to_tensors
from aimanga.train.networks import build
from aimanga.train.reading import load_train_recipe
from aimanga.train.schedule import learning_rates
from aimanga.train.sources import find_sets
from aimanga.upscale import load_engine
from degrade import drawn
from upscale import in_tiles

HERE = Path(__file__).parent
MODEL = "realesrgan-x4plus"


class Bench:
    """The device, the sizes, and how both are measured."""

    def __init__(self, device: torch.device, dry: bool) -> None:
        self.device, self.dry = device, dry
        self.sizes = [(32, 24)] if dry else [(450, 1350), (1920, 1080), (3840, 2160)]  # width, height
        self.batch, self.crop, self.rounds = (2, 64, 1) if dry else (16, 256, 5)
        self.photo = from_array(read(HERE / "reef.jpg").pixels)

    def picture(self, width: int, height: int) -> Tensor:
        """The photo, repeated to a size."""
        across, down = -(-width // self.photo.shape[3]), -(-height // self.photo.shape[2])
        return self.photo.repeat(1, 1, down, across)[:, :, :height, :width].contiguous()

    def wait(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def timed(self, run: Callable[[], object], rounds: int = 0) -> tuple[float, float]:
        """Seconds and peak memory in GB of the best round, after a warm-up."""
        run()
        self.wait()
        seconds, peak = [], 0.0
        for _ in range(rounds or self.rounds):
            if self.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(self.device)
            begin = time.perf_counter()
            run()
            self.wait()
            seconds.append(time.perf_counter() - begin)
            if self.device.type == "cuda":
                peak = torch.cuda.max_memory_allocated(self.device) / 1e9
        return min(seconds), peak


def table(title: str, heads: list[str], rows: list[list[str]]) -> None:
    """Print a table in Markdown."""
    print(f"\n## {title}\n\n| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    sys.stdout.flush()


def upscale(bench: Bench) -> None:
    """Ours, the whole picture in half precision, and tiles: from the picture in host memory to the result there."""
    half = torch.float16 if bench.device.type == "cuda" else torch.bfloat16
    network = load_model(MODEL).network.to(bench.device, half)
    last = load_model(MODEL).network.to(bench.device, half, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def whole(net: torch.nn.Module, x: Tensor, memory: torch.memory_format = torch.contiguous_format) -> Tensor:
        with torch.inference_mode():
            return net(x.to(bench.device, half).contiguous(memory_format=memory)).float().cpu()

    def tiles(x: Tensor, tile: int) -> Tensor:
        with torch.inference_mode():
            return in_tiles(lambda part: network(part).float().cpu(), x.to(bench.device, half), 10, tile)

    engines = {name: load_engine(MODEL, str(bench.device), name) for name in ("fp32", "auto", "bf16")}
    rows = []
    for width, height in bench.sizes:
        x = bench.picture(width, height)
        ways: dict[str, Callable[[], Tensor]] = {
            **{f"aimanga, {name}": partial(engine.run, x) for name, engine in engines.items()},
            "whole picture, half, NCHW": partial(whole, network, x),
            "whole picture, half, channels last": partial(whole, last, x, torch.channels_last),
            "tiles of 512, halo 10, half": partial(tiles, x, 512),
            "tiles of 256, halo 10, half": partial(tiles, x, 256),
        }
        reference: Tensor | None = None
        for name, way in ways.items():
            large = width * height > 4e6
            if large and name.endswith("fp32"):
                continue
            try:
                seconds, memory = bench.timed(way, 1 if large else 0)
                result = way()
            except torch.OutOfMemoryError:
                rows.append([f"{width}x{height}", name, "out of memory", "", ""])
                continue
            reference = result if name == "aimanga, fp32" else reference
            psnr = "" if reference is None else f"{-10 * torch.log10((result - reference).square().mean()):.1f}"
            rows.append([f"{width}x{height}", name, f"{seconds:.3f}", f"{memory:.1f}", psnr])
    table("Upscaling", ["size", "way", "s", "GB", "dB to fp32"], rows)


def degradation(bench: Bench) -> None:
    """A batch on the device, and on one core as a worker of `aimanga train` does it."""
    rows = []
    threads = torch.get_num_threads()
    side = bench.crop
    batch = bench.photo[:, :, :side, :side].repeat(bench.batch, 1, 1, 1)
    for name in ("aimanga", "realesrgan", "light"):
        recipe = load_degradation(name)
        on_device = batch.to(bench.device)
        samples = [drawn(recipe, turn, side, bench.batch) for turn in range(bench.rounds + 1)]
        turns = iter([*samples, *samples])
        seconds, _ = bench.timed(lambda turns=turns, x=on_device: degrade(x, next(turns)))
        torch.set_num_threads(1)
        begin = time.perf_counter()
        degrade(batch, samples[0])
        core = time.perf_counter() - begin
        torch.set_num_threads(threads)
        rows.append([name, f"{bench.batch / seconds:.0f}", f"{bench.batch / core:.0f}"])
    table("Degradation, samples/s", ["recipe", "device", "one core"], rows)


def training(bench: Bench) -> None:
    """An iteration of the recipe aimanga by its parts, eager and compiled, and how long it waits for data."""
    parts = {
        "generator, L1": ["losses.perceptual.weight=0", "losses.gan.weight=0"],
        "+ perceptual": ["losses.gan.weight=0"],
        "+ discriminator": ["losses.perceptual.weight=0"],
        "all": [],
        "all, compiled": ["compute.compile=true"],
    }
    rows, step = [], None
    settings = [f"train.batch_size={bench.batch}", f"data.crop={bench.crop}", "compute.deterministic=false"]
    settings.append("compute.compile=false")
    if bench.dry:
        settings += ["model.start=none", "model.features=8", "model.blocks=1", "discriminator.features=8"]
    high = bench.photo[:, :, : bench.crop, : bench.crop].repeat(bench.batch, 1, 1, 1).to(bench.device)
    low = high[:, :, ::4, ::4].contiguous()
    for name, changes in parts.items():
        if bench.dry and name.endswith("compiled"):
            continue
        file = load_train_recipe("aimanga", [*settings, *changes])
        fabric, precision, scaler = make_fabric(str(bench.device), file.recipe)
        learner = Learner(build(file, random_vgg=True), file.recipe, fabric, scaler)
        rates = learning_rates(0, file.recipe)
        seconds, memory = bench.timed(lambda learner=learner, rates=rates: learner.step(low, high, rates))
        note = learner.warning or ""
        rows.append([name, precision, f"{seconds:.4f}", f"{memory:.1f}", note])
        if name == "all":
            step = learner
    table(f"Training, batch {bench.batch}, crops of {bench.crop}", ["part", "precision", "s", "GB", ""], rows)
    assert step is not None
    waiting(bench, step, settings)


def waiting(bench: Bench, learner: Learner, settings: list[str]) -> None:
    """How much of an iteration is spent waiting for the workers."""
    workers = 1 if bench.dry else max(1, (os.cpu_count() or 1) - 1)
    count = 3 if bench.dry else 60
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "photos"
        folder.mkdir()
        for number in range(bench.batch):
            part = read(HERE / "reef.jpg").pixels[:512, 8 * number : 8 * number + 512]
            write(Picture(part.copy()), folder / f"{number}.png")
        file = load_train_recipe("aimanga", [*settings, f"data.workers={workers}", "validation.held_out=0"], [folder])
        data = check(file, find_sets(file, 4), 4, folder.parent / "data.jsonl")
        loader = Loader(data, file.recipe, load_degradations("aimanga"), 4)
        batches = loader.batches(0, pinned=bench.device.type == "cuda")
        rates = learning_rates(0, file.recipe)
        waited = 0.0
        for number in range(-5 if not bench.dry else -1, count):
            if number == 0:
                bench.wait()
                waited, begin = 0.0, time.perf_counter()
            asked = time.perf_counter()
            batch = next(batches)
            waited += time.perf_counter() - asked
            low, high = to_tensors(batch, file.recipe.data.crop, bench.device)
            learner.step(low, high, rates)
        bench.wait()
        seconds = time.perf_counter() - begin
        batches.close()
    share = f"{100 * waited / seconds:.1f} %"
    table(
        "Waiting for data", ["workers", "s an iteration", "waiting"], [[f"{workers}", f"{seconds / count:.4f}", share]]
    )


def resume(bench: Bench) -> None:
    """A short training by the public function, stopped and resumed."""
    iterations = 4 if bench.dry else 200
    settings = [f"train.iterations={iterations}", f"validation.every={iterations}", "logging.tensorboard=false",
                "data.workers=0", "validation.metrics=['psnr']", "validation.crop=64"]  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        begin = time.perf_counter()
        half = [*settings, f"train.iterations={iterations // 2}"]
        first = train("smoke", folder, set=half, device=str(bench.device))
        second = train("smoke", folder, set=settings, resume=True, device=str(bench.device))
        seconds = time.perf_counter() - begin
    rows = [[first.reason, str(first.iteration), second.reason, str(second.iteration), f"{seconds:.1f}"]]
    table("Resume", ["first", "iterations", "resumed", "iterations", "s"], rows)


def tests(bench: Bench) -> None:
    """The tests that need a GPU; elsewhere they are skipped with the reason."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/gpu/test_cuda.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parent)
    table("Tests", ["exit code", "summary"], [[str(done.returncode), done.stdout.strip().splitlines()[-1]]])
    if done.returncode not in (0, 5):
        print(done.stdout)


PARTS: dict[str, Callable[[Bench], None]] = {
    "upscale": upscale, "degrade": degradation, "train": training, "resume": resume, "tests": tests,
}  # fmt: skip


def failures(bench: Bench, names: list[str]) -> Iterator[str]:
    """Run parts; what fails does not keep the others from running."""
    for name in names:
        begin = time.perf_counter()
        try:
            PARTS[name](bench)
        except Exception as error:
            yield f"{name}: {type(error).__name__}: {error}"
        print(f"\n({name}: {time.perf_counter() - begin:.0f} s)")


def main() -> None:
    """Run the parts, print their tables, and fail if one of them does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    device = choose_device("cpu" if options.dry_run else options.device)
    print(f"{device_in_words(device)}, PyTorch {torch.__version__}, {os.cpu_count()} cores")
    failed = list(failures(Bench(device, options.dry_run), options.only))
    for message in failed:
        print(f"FAILED {message}")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
