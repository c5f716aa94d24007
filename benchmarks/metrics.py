"""How fast the metrics are, and how much memory they take, in one run.

    python benchmarks/metrics.py

NIQE, BRISQUE and NRQM in turns with the plain way, that of the published MATLAB code with NumPy and SciPy, with which
the tests compare, too (`tests/metrics/plain.py`, `plain_nrqm.py`); of NRQM the features, which take the time. The
networks have random weights, which does not change their time. Memory: the peak of a process of its own, over what it
needs for the picture itself (as uint8 and float32).
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from aimanga.images import read
from aimanga.metrics.brisque import brisque
from aimanga.metrics.clip_iqa import CLIPIQA
from aimanga.metrics.clip_rn50 import CLIPRN50
from aimanga.metrics.dists import DISTS
from aimanga.metrics.levels import gray_levels
from aimanga.metrics.lpips import LPIPS
from aimanga.metrics.maniqa import MANIQA
from aimanga.metrics.musiq import MUSIQ
from aimanga.metrics.niqe import niqe
from aimanga.metrics.nrqm_features import nrqm_features
from aimanga.metrics.psnr import psnr
from aimanga.metrics.ssim import ssim
from aimanga.tensors import from_array

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.metrics import plain, plain_nrqm  # noqa: E402

HEIGHT, WIDTH = 480, 768
ROUNDS = 5
LARGE = 10_000, 10_000


def milliseconds(function: Callable[[], object], rounds: int) -> float:
    """The best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        begin = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - begin)
    return 1000 * best


def ways(picture: Tensor) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Ours and the plain one."""
    pixels = (picture[0] * 255).round().permute(1, 2, 0).byte().numpy()
    levels = plain.rgb2gray(pixels)
    return {
        "niqe": (lambda: niqe(picture), lambda: plain.niqe(plain.rgb2gray(pixels))),
        "brisque": (lambda: brisque(picture), lambda: plain.brisque(plain.rgb2gray(pixels))),
        "nrqm": (lambda: features_of(picture), lambda: plain_nrqm.features(levels)),
    }


def speed() -> None:
    """Print the times."""
    picture = from_array(read(ROOT / "benchmarks" / "reef.jpg").pixels)[:, :, :HEIGHT, :WIDTH].contiguous()
    megapixels = HEIGHT * WIDTH / 1e6
    print(f"{WIDTH} x {HEIGHT}, {torch.get_num_threads()} threads, ms a megapixel, the best of {ROUNDS}")
    print(f"{'':18}{'aimanga':>10}{'plain':>10}{'ratio':>8}")
    for name, (ours, theirs) in ways(picture).items():
        ours()
        rounds = ROUNDS if name != "nrqm" else 2
        best = [float("inf"), float("inf")]
        for _ in range(rounds):
            best = [min(b, milliseconds(way, 1)) for b, way in zip(best, (ours, theirs), strict=True)]
        a, b = (value / megapixels for value in best)
        print(f"{name:18}{a:10.0f}{b:10.0f}{b / a:8.1f}")
    other = (picture + 0.02 * torch.randn(picture.shape)).clamp(0, 1)
    for name, compare in (("psnr", psnr), ("ssim", ssim)):
        took = milliseconds(lambda compare=compare: compare(picture, other), ROUNDS)
        print(f"{name:18}{took / megapixels:10.0f}")
    networks: dict[str, tuple[nn.Module, tuple[Tensor, ...]]] = {
        "lpips": (LPIPS("alex"), (picture, other)),
        "lpips_vgg": (LPIPS("vgg"), (picture, other)),
        "dists": (DISTS(), (picture, other)),
        "clip_iqa": (CLIPIQA(CLIPRN50().eval()).eval(), (picture,)),
        "musiq": (MUSIQ().eval(), (picture,)),
    }
    with torch.inference_mode():
        for name, (network, pictures) in networks.items():
            took = milliseconds(lambda network=network, pictures=pictures: network(*pictures), 2)
            print(f"{name:18}{took / megapixels:10.0f}")
        crop = picture[:, :, :224, :224]
        took = milliseconds(lambda: MANIQA().eval()(crop), 1)
        print(f"{'maniqa':18}{20 * took:10.0f} a picture of 20 crops, whatever its size")


def memory() -> None:
    """Print the peaks."""
    print(f"\n{LARGE[1]} x {LARGE[0]} pixels: seconds, and peak memory over the picture's own")
    for name in ("niqe", "brisque", "nrqm", "psnr", "ssim"):
        arguments = [sys.executable, __file__, name]
        print(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout, end="")


def features_of(pictures: Tensor) -> object:
    """NRQM's features: what is left of the metric takes no time."""
    return nrqm_features(gray_levels(pictures)[0, 0].double())


def peak() -> float:
    """The most memory that this process has had at once, in MiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def measure_one(name: str) -> None:
    """In a process of its own: one metric on a large picture."""
    pictures = torch.rand(1, 3, *LARGE).mul_(255).round_().div_(255)
    if name in ("psnr", "ssim"):
        pictures = pictures[:, :1].expand(-1, 3, -1, -1)
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak, which came with the parent
    before = peak()
    compare = {"psnr": psnr, "ssim": ssim}.get(name)
    single = {"niqe": niqe, "brisque": brisque, "nrqm": features_of}.get(name)
    begin = time.perf_counter()
    if compare is not None:
        compare(pictures, pictures)
    elif single is not None:
        single(pictures)
    seconds = time.perf_counter() - begin
    print(f"{name:18}{seconds:10.1f} s {peak() - before:8.0f} MiB")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure_one(sys.argv[1])
    else:
        speed()
        memory()
