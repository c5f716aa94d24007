"""How well and how fast `aimanga curate` tells good photos from bad ones.

    python benchmarks/curate.py PHOTOS [--count N]

PHOTOS is a folder of good photos, 100 or more; docs/reference/curate.md tells where free ones are. Every photo is
compared with what is made of it, at most 1000 pixels a side of its middle; copies of it are searched among all photos and their
quarters, which are no copies of it nor of one another. The time is that of measuring with two processes, against
decoding the same files in the same way, in turns. Memory: the peak of every process, for the folder and for the same
folder eight times over.
"""

import argparse
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter
from scipy.signal import wiener

from aimanga.batch import find, gather, journal
from aimanga.curate import curate_files
from aimanga.curate.duplicates import SIDE as SIDE_OF_THUMBNAILS
from aimanga.curate.duplicates import find_groups
from aimanga.curate.measure import Measures, measure
from aimanga.curate.screening import Screening, limits
from aimanga.curate.survey import survey_file, survey_key
from aimanga.curate.thumbnails import Reducer, gray_thumbnail
from aimanga.images import MAX_PIXELS, READABLE_SUFFIXES, Picture, PictureFile

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.curate.pictures import jpeg, noisy  # noqa: E402

Pixels = npt.NDArray[np.uint8]

SIDE = 1000
PROCESSES = 2
ROUNDS = 3
READING = {"max_pixels": MAX_PIXELS, "first_page": True}


def blurred(pixels: Pixels, sigma: float) -> Pixels:
    """By a Gaussian."""
    return gaussian_filter(pixels, (sigma, sigma, 0))


def reduced(pixels: Pixels, factor: int, kernel: Image.Resampling = Image.Resampling.BICUBIC) -> Pixels:
    """Reduced and enlarged again, by the same kernel."""
    height, width = pixels.shape[:2]
    small = Image.fromarray(pixels).resize((width // factor, height // factor), kernel)
    return np.asarray(small.resize((width, height), kernel))


def enlarged(pixels: Pixels) -> Pixels:
    """The middle half, enlarged by 2: what a picture's own pixels become."""
    height, width = pixels.shape[:2]
    middle = pixels[height // 4 : height // 4 + height // 2, width // 4 : width // 4 + width // 2]
    return np.asarray(Image.fromarray(middle).resize((width // 2 * 2, height // 2 * 2), Image.Resampling.BICUBIC))


def denoised(pixels: Pixels) -> Pixels:
    """By Wiener's filter, 5 x 5."""
    # On plain ground the filter divides 0 by 0, and what comes out is the plain ground.
    with np.errstate(all="ignore"):
        planes = [wiener(plane.astype(np.float64), 5, 9.0) for plane in np.moveaxis(pixels, 2, 0)]
    return np.stack(planes, 2).round().clip(0, 255).astype(np.uint8)


LESS_DETAIL: Mapping[str, Callable[[Pixels], Pixels]] = {
    "blurred, sigma 1": lambda x: blurred(x, 1),
    "blurred, sigma 2": lambda x: blurred(x, 2),
    "x2 down and up, bicubic": lambda x: reduced(x, 2),
    "x2 down and up, Lanczos": lambda x: reduced(x, 2, Image.Resampling.LANCZOS),
    "x4 down and up, bicubic": lambda x: reduced(x, 4),
    "denoised, median 3 x 3": lambda x: np.asarray(Image.fromarray(x).filter(ImageFilter.MedianFilter(3))),
    "denoised, Wiener 5 x 5": denoised,
}
NO_MORE_DETAIL: Mapping[str, Callable[[Pixels], Pixels]] = {
    "noise, sigma 5": lambda x: noisy(x, 5),
    "noise, sigma 15": lambda x: noisy(x, 15),
    "JPEG 20": lambda x: jpeg(x, 20),
}
BLOCKS: Mapping[str, Callable[[Pixels], Pixels]] = {
    "JPEG 20": lambda x: jpeg(x, 20),
    "JPEG 20, off the grid": lambda x: np.ascontiguousarray(jpeg(x, 20)[3:, 5:]),
    "JPEG 50": lambda x: jpeg(x, 50),
}
SOFT: Mapping[str, Callable[[Pixels], Pixels]] = {
    "x2 down and up, bicubic": lambda x: reduced(x, 2),
    "x2 down and up, bilinear": lambda x: reduced(x, 2, Image.Resampling.BILINEAR),
    "x2 down and up, Lanczos": lambda x: reduced(x, 2, Image.Resampling.LANCZOS),
    "its middle, x2 up": enlarged,
    "x4 down and up, bicubic": lambda x: reduced(x, 4),
    "blurred, sigma 2": lambda x: blurred(x, 2),
}


def middle(path: Path) -> Pixels:
    """At most `SIDE` pixels a side of a photo's middle."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    top, left = (max(0, (side - SIDE) // 2) for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + SIDE, left : left + SIDE])


def measured_variants(path: Path) -> dict[str, Measures]:
    """A photo and all that is made of it, measured."""
    photo = middle(path)
    found = {"": measure(Picture.from_array(photo)).measures}
    for name, change in itertools.chain(*(kind.items() for kind in (LESS_DETAIL, NO_MORE_DETAIL, BLOCKS, SOFT))):
        if name not in found:
            found[name] = measure(Picture.from_array(change(photo))).measures
    return found


def area_under_curve(bad: npt.NDArray[np.float64], good: npt.NDArray[np.float64]) -> float:
    """How often a bad one has a higher number than a good one."""
    return float((bad[:, None] > good).mean() + 0.5 * (bad[:, None] == good).mean())


def print_ranking(paths: list[Path]) -> None:
    """Detail, blockiness and sharpness of the photos against what is made of them."""
    with ProcessPoolExecutor(PROCESSES) as pool:
        found = list(pool.map(measured_variants, paths))

    def numbers(name: str, measure_name: str) -> npt.NDArray[np.float64]:
        return np.array([getattr(variants[name], measure_name) for variants in found])

    detail = numbers("", "detail")
    print(f"{len(paths)} photos\n\nthe photo has more detail than it has when")
    for name in LESS_DETAIL:
        print(f"  {name:28} {(detail > numbers(name, 'detail')).mean():7.1%}")
    print("\ndetail is more than 5 % higher with")
    for name in NO_MORE_DETAIL:
        print(f"  {name:28} {(numbers(name, 'detail') > 1.05 * detail).mean():7.1%}")
    for measure_name, sign, damages in (("blockiness", 1, BLOCKS), ("sharpness", -1, SOFT)):
        print(f"\ntold apart by {measure_name}, area under the curve")
        for name in damages:
            area = area_under_curve(sign * numbers(name, measure_name), sign * numbers("", measure_name))
            print(f"  {name:28} {area:7.4f}")
    print("\nrejected by a default threshold: of the photos, and of the damaged ones that it is for")
    victims = {"sharpness": "x2 down and up, bicubic", "blockiness": "JPEG 20", "noise": "noise, sigma 15"}
    for limit in limits(Screening()):
        good, bad = (
            np.mean([limit.failed_by(variants[name]) is not None for variants in found])
            for name in ("", victims.get(limit.measure, ""))
        )
        damaged = f"{bad:7.1%} {victims[limit.measure]}" if limit.measure in victims else ""
        print(f"  {limit.option:20} {limit.value:6g} {good:7.1%} {damaged}")


def resized(picture: Image.Image, draws: np.random.Generator) -> Image.Image:
    """To a quarter up to one and a half times the size, by one of three kernels."""
    factor = np.exp(draws.uniform(np.log(0.25), np.log(1.5)))
    size = [max(128, round(side * factor)) for side in picture.size]
    kernels = (Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BILINEAR)
    return picture.resize((size[0], size[1]), kernels[draws.integers(3)])


def recompressed(picture: Image.Image, draws: np.random.Generator) -> Image.Image:
    """JPEG, quality 30 to 90."""
    return Image.fromarray(jpeg(np.asarray(picture), int(draws.integers(30, 91))))


def cropped(picture: Image.Image, draws: np.random.Generator) -> Image.Image:
    """Up to a tenth is missing at each border; at some nothing is."""
    left, top, right, bottom = draws.uniform(0, 0.1, 4) * (draws.random(4) < 0.7)
    width, height = picture.size
    box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    return picture.crop(tuple(round(side) for side in box))


def everything(picture: Image.Image, draws: np.random.Generator) -> Image.Image:
    """Cropped, resized and recompressed."""
    return recompressed(resized(cropped(picture, draws), draws), draws)


COPIES: Mapping[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "resized": resized,
    "recompressed": recompressed,
    "cropped": cropped,
    "all three": everything,
    "all three, again": everything,
}


def thumbnails_of(path: Path, number: int) -> list[Pixels]:
    """Of a photo, at most 2000 pixels a side, and its four quarters: the thumbnail of each, and of its copies."""
    draws = np.random.default_rng(number)
    photo = Image.open(path).convert("RGB")
    photo.thumbnail((2000, 2000))
    width, height = photo.size
    columns, rows = (0, width // 2, width), (0, height // 2, height)
    quarters = [
        photo.crop((columns[x], rows[y], columns[x + 1], rows[y + 1])) for y, x in itertools.product((0, 1), (0, 1))
    ]
    found = []
    for picture in (photo, *quarters):
        for shown in (picture, *(change(picture, draws) for change in COPIES.values())):
            reducer = Reducer(*shown.size)
            for top in range(0, shown.height, 64):
                reducer.add(shown.crop((0, top, shown.width, min(shown.height, top + 64))))
            found.append(gray_thumbnail(reducer.finish(), SIDE_OF_THUMBNAILS))
    return found


def print_duplicates(paths: list[Path]) -> None:
    """How many copies are found, and how many of what is found are copies."""
    with ProcessPoolExecutor(PROCESSES) as pool:
        thumbnails = list(itertools.chain(*pool.map(thumbnails_of, paths, itertools.count())))
    each = 1 + len(COPIES)
    begin = time.perf_counter()
    found = find_groups(np.stack(thumbnails))
    spent = time.perf_counter() - begin
    # A picture without a group is one of its own.
    groups = [-1 - number if belongs["group"] is None else belongs["group"] for number, belongs in enumerate(found)]
    print(f"\n{len(thumbnails)} pictures: {len(paths)} photos and their quarters, and copies of each; {spent:.1f} s")
    for place, name in enumerate(COPIES, 1):
        recall = np.mean([groups[n] == groups[n + place] for n in range(0, len(groups), each)])
        print(f"  {name:28} {recall:7.1%} found")
    members: dict[int, list[int]] = {}
    for number, group in enumerate(groups):
        members.setdefault(group, []).append(number)
    pairs = [pair for group in members.values() for pair in itertools.combinations(group, 2)]
    right = sum(one // each == other // each for one, other in pairs)
    print(f"  recall of all pairs {right / (len(groups) // each * each * (each - 1) / 2):.4f}")
    print(f"  precision of all pairs {right / len(pairs):.4f} ({len(pairs) - right} of {len(pairs)} wrong)")


def decode(source: Path, tick: Callable[[float], None]) -> Mapping[str, int]:
    """Read all rows of a picture, and do nothing with them."""
    rows = sum(len(band) for band in PictureFile(source, max_pixels=MAX_PIXELS, first_page=True).bands(64))
    return {"rows": rows}


def seconds(work: Callable[..., Mapping[str, object]], paths: list[Path]) -> float:
    """For all files, with processes that are started for it."""
    with tempfile.TemporaryDirectory() as folder, journal(Path(folder) / "journal") as kept:
        begin = time.perf_counter()
        report = gather(work, paths, kept, key=partial(survey_key, **READING), workers=PROCESSES)  # type: ignore[arg-type]
        assert not report.failed, report.failed[0].error
        return time.perf_counter() - begin


def print_speed(paths: list[Path]) -> None:
    """Measuring against decoding."""
    headers = [PictureFile(path, first_page=True).header for path in paths]
    megapixels = sum(header.width * header.height for header in headers) / 1e6
    best = {"decode": float("inf"), "curate": float("inf")}
    for _ in range(ROUNDS):
        best["decode"] = min(best["decode"], seconds(decode, paths))
        best["curate"] = min(best["curate"], seconds(partial(survey_file, **READING), paths))  # type: ignore[arg-type]
    print(f"\n{len(paths)} files, {megapixels:.0f} megapixels, {PROCESSES} processes")
    for name, time_taken in best.items():
        print(f"  {name}  {time_taken:6.2f} s  {len(paths) / time_taken:6.1f} pictures a second")
    print(f"  ratio {best['curate'] / best['decode']:.2f}")


def print_memory(paths: list[Path]) -> None:
    """The peaks of processes, for one set and for eight times as many files."""
    with tempfile.TemporaryDirectory() as folder:
        for times in (1, 8):
            photos = Path(folder, f"{times} times")
            photos.mkdir()
            for number, path in itertools.product(range(times), paths):
                (photos / f"{number} {path.name}").symlink_to(path.resolve())
            command = [sys.executable, __file__, str(photos), "--peaks"]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            print(f"\n{times * len(paths)} files: {output.strip()}")


def print_peaks(folder: Path) -> None:
    """Select from a folder, and print the peak memory."""
    with tempfile.TemporaryDirectory() as output:
        curate_files(folder, output, pictures="none", first_page=True, jobs=PROCESSES)
    peaks = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(f"{peaks[0]:.0f} MiB in the main process, {peaks[1]:.0f} MiB in the largest worker")


def main() -> None:
    """Print all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, help="this many of them, evenly")
    parser.add_argument("--peaks", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if arguments.peaks:
        print_peaks(arguments.photos)
        return
    paths = list(find([arguments.photos], suffixes=READABLE_SUFFIXES))
    paths = paths[:: max(1, len(paths) // (arguments.count or len(paths)))]
    print_ranking(paths)
    print_duplicates(paths)
    print_speed(paths)
    print_memory(paths)


if __name__ == "__main__":
    main()
