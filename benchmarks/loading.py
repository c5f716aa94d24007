"""How many training samples a second worker processes read, crop and degrade.

    python benchmarks/loading.py [--workers 0 1 2] [--seconds 15] [--degradation aimanga]

Crops of 256 pixels of a photo, batches of 16, as `aimanga train` loads them. The numbers of workers take turns; each
has loaded two batches before its time begins.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from aimanga.degrade import load_degradations
from aimanga.images import Picture, read, write
from aimanga.train.check import check
from aimanga.train.loader import Loader
from aimanga.train.reading import load_train_recipe
from aimanga.train.sources import find_sets

CROP, BATCH = 256, 16


def measure(folder: Path, degradation: str, workers: int, seconds: float) -> float:
    """Samples per second."""
    settings = [f"data.workers={workers}", f"data.crop={CROP}", f"train.batch_size={BATCH}", "validation.held_out=0"]
    file = load_train_recipe("psnr", settings, [folder / "photos"])
    data = check(file, find_sets(file, 4), 4, folder / "data.jsonl")
    batches = Loader(data, file.recipe, load_degradations(degradation), 4).batches(0)
    for _ in range(2):
        next(batches)
    begin, count = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        next(batches)
        count += BATCH
    rate = count / (time.perf_counter() - begin)
    batches.close()
    return rate


def main() -> None:
    """Measure in turns, and print samples per second and the ratio to one worker."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--degradation", default="aimanga")
    options = parser.parse_args()
    torch.set_num_threads(1)  # with 0 workers, too, so that they can be compared
    photo = read(Path(__file__).parent / "reef.jpg").pixels
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "photos").mkdir()
        for number in range(BATCH):
            top = 16 * number
            write(Picture(photo[top : top + 512, : 512 + number].copy()), folder / "photos" / f"{number}.png")
        rates: dict[int, list[float]] = {workers: [] for workers in options.workers}
        for _ in range(options.rounds):
            for workers in options.workers:
                rates[workers].append(measure(folder, options.degradation, workers, options.seconds))
    print(f"{options.degradation}, crops of {CROP}, batches of {BATCH}\n\n{'workers':>7}{'samples/s':>12}{'ratio':>8}")
    one = statistics.median(rates.get(1, rates[options.workers[0]]))
    for workers, found in rates.items():
        print(f"{workers:>7}{statistics.median(found):12.1f}{statistics.median(found) / one:8.2f}")


if __name__ == "__main__":
    main()
