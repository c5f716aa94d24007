"""How near the core of a window is to the same core of the whole picture, for different halos, and what a halo costs.

    python benchmarks/halo.py [--frozen 17] [--pictures 4]

`aimanga train` with frozen blocks computes the last blocks on windows of stored features. Beyond a window's border
are zeros instead of the features of the picture, and the last blocks see further than any affordable halo. Windows with
a core of 32 x 32 are cut from the features of crops of a photo, upscaled, and compared with the network's result for
the whole crop, in float32. The seconds are of a forward and backward pass through the last blocks.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch

from aimanga.degrade import degrade, load_degradations
from aimanga.images import read
from aimanga.models import load_model
from aimanga.models.networks import Tail
from aimanga.tensors import from_array

CORE, SIDE, HALOS = 32, 96, (0, 2, 4, 8, 16)


def main() -> None:
    """Measure all halos in turns, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="realesrgan-x4plus")
    parser.add_argument("--frozen", type=int, default=17)
    parser.add_argument("--pictures", type=int, default=4)
    options = parser.parse_args()
    network = load_model(options.model).network
    tail = Tail(network, options.frozen)
    photo = from_array(read(Path(__file__).parent / "reef.jpg").pixels)
    mixture = load_degradations({"aimanga": 0.5, "realesrgan": 0.5})
    generator = torch.Generator().manual_seed(0)
    errors: dict[int, list[torch.Tensor]] = {halo: [] for halo in HALOS}
    seconds: dict[int, list[float]] = {halo: [] for halo in HALOS}
    for number in range(options.pictures):
        top, left = (int(torch.randint(0, n - 4 * SIDE, (), generator=generator)) for n in photo.shape[2:])
        high = photo[:, :, top : top + 4 * SIDE, left : left + 4 * SIDE]
        with torch.no_grad():
            features = network.begin(degrade(high, [mixture.draw(4 * SIDE, 4 * SIDE, number)]), options.frozen)
            whole = tail(features)
        first = (SIDE - CORE) // 2
        core = whole[:, :, 4 * first : 4 * (first + CORE), 4 * first : 4 * (first + CORE)]
        for halo in HALOS:
            part = slice(first - halo, first + CORE + halo)
            begin = time.perf_counter()
            found = tail(features[:, :, part, part])
            found.mean().backward()
            seconds[halo].append(time.perf_counter() - begin)
            inner = slice(4 * halo, 4 * (halo + CORE))
            errors[halo].append((found.detach()[:, :, inner, inner] - core).abs())
    print(f"{options.model}, {options.frozen} blocks frozen, {options.pictures} crops, cores of {CORE} x {CORE}\n")
    print(f"{'halo':>4}{'L1 of 255':>12}{'99 %':>8}{'largest':>9}{'PSNR dB':>9}{'time':>7}")
    for halo, found in errors.items():
        error = torch.cat(found).flatten() * 255
        psnr = 20 * torch.log10(255 / error.square().mean().sqrt())
        ratio = statistics.median(seconds[halo]) / statistics.median(seconds[0])
        high = error.quantile(0.99) if error.numel() < 2**24 else error[:: error.numel() // 2**23].quantile(0.99)
        print(f"{halo:>4}{error.mean():12.3f}{high:8.2f}{error.max():9.1f}{psnr:9.1f}{ratio:7.2f}")


if __name__ == "__main__":
    main()
