"""Store pairs: HR crops, and the LR pictures that a recipe makes of them, with every parameter that was drawn."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from aimanga.atomic import remove_remains
from aimanga.batch import Detail, Job, Paths, Record, Report, Tick, Unwatched, Watcher, as_paths, plan, run
from aimanga.config import write_toml
from aimanga.degrade.drawing import degrade_pixels, draw_pair
from aimanga.degrade.manifest import PAIRS_MANIFEST, PAIRS_RECIPE, Pair, read_pairs, write_pairs
from aimanga.degrade.recipe import DEFAULT_RECIPE, Recipe, load_recipe
from aimanga.errors import AimangaError, UsageError
from aimanga.images import MAX_PIXELS, READABLE_SUFFIXES, Picture, read, rgb, write
from aimanga.problems import Problems


@dataclass(frozen=True)
class PairOptions:
    """How pairs are made; the fields are those of `make_pairs`."""

    recipe: Recipe
    crop: int | None = None
    seed: int = 0
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True)
class PairPlan:
    """What `make_pairs` is going to do.

    Attributes:
        jobs: One a pair: the source, and the picture of low resolution.
        pictures: How many sources there are.
        ignored: Files of the input folders that are not pictures.
        subfolders: Folders that are left out without recursion.
        output: The folder of the pairs.
        options: How they are made.
    """

    jobs: tuple[Job, ...]
    pictures: int
    ignored: int
    subfolders: int
    output: Path
    options: PairOptions


def make_pairs(
    inputs: Paths,
    output: str | Path,
    *,
    recipe: str | Path | Recipe = DEFAULT_RECIPE,
    per_image: int = 1,
    crop: int | None = None,
    seed: int = 0,
    recursive: bool = False,
    overwrite: bool = False,
    max_pixels: int = MAX_PIXELS,
    jobs: int = 1,
    report: str | Path | None = None,
    watcher: Watcher | None = None,
) -> Report:
    """Degrade pictures of high resolution, and store what comes out beside what went in.

    `output` gets the folders HR and LR with files of equal names, NAME_1.png and so on, 8 bits, RGB; `manifest.jsonl`,
    a line a pair with every parameter that was drawn; and `recipe.toml`. The same arguments give the same bytes,
    whatever the number of processes and however often it was interrupted; what is there is not made again.

    Args:
        inputs: A file, a folder, or several of them. What is transparent is laid on white.
        output: The folder.
        recipe: The name of a shipped recipe, a TOML file, or a recipe.
        per_image: Pairs of each picture, each with draws of its own.
        crop: Side of a square of each picture, at a place that is drawn, too; None for the whole picture, less what
            does not divide by the recipe's scale.
        seed: All draws follow from it and from the names of the pairs.
        recursive: Enter subfolders; they are mirrored.
        overwrite: Make pairs that are there already again.
        max_pixels: Refuse larger sources.
        jobs: Number of processes; as for `aimanga.upscale_files`.
        report: A file to append one line of JSON a pair to.
        watcher: Told how it goes on.

    Returns:
        The report: a record a pair.

    Raises:
        UsageError: The request is impossible, or `output` holds pairs that were drawn otherwise; nothing was done.
        KeyboardInterrupt: Ctrl-C; what is finished stays.
    """
    if isinstance(recipe, str | Path):
        recipe = load_recipe(recipe)
    options = PairOptions(recipe, crop, seed, max_pixels)
    planned = plan_pairs(inputs, output, options, per_image=per_image, recursive=recursive)
    return run_pairs(
        planned, overwrite=overwrite, jobs=jobs, report=None if report is None else Path(report), watcher=watcher
    )


def plan_pairs(
    inputs: Paths,
    output: str | Path,
    options: PairOptions,
    *,
    per_image: int = 1,
    recursive: bool = False,
) -> PairPlan:
    """Find out what `make_pairs` would do; arguments and errors as there. Nothing is written."""
    problems = Problems()
    scale = options.recipe.scale
    if per_image < 1:
        problems.add(f"--per-image {per_image}: at least one pair of each picture")
    if options.crop is not None and (options.crop < scale or options.crop % scale):
        problems.add(f"--crop {options.crop}: the side of a crop is a multiple of the scale {scale}")
    problems.refuse()
    given, output = as_paths(inputs), Path(output)
    if any(path.is_dir() and path.resolve() == output.resolve() for path in given):
        raise UsageError(f"{output}: the pairs need a folder of their own")
    # A single file's output may be the result itself; here it is always a folder, whatever its name.
    base = output / "LR" if output.suffix and not output.is_dir() else output
    found = plan(
        given,
        base,
        suffixes=READABLE_SUFFIXES,
        result_name=lambda source: f"{source.stem}.png",
        recursive=recursive,
    )
    jobs = [
        Job(job.source, output / "LR" / _numbered(job.target.relative_to(base), number))
        for job in found.jobs
        for number in range(1, per_image + 1)
    ]
    return PairPlan(tuple(jobs), len(found.jobs), found.ignored, found.subfolders, output, options)


def run_pairs(
    planned: PairPlan,
    *,
    overwrite: bool = False,
    jobs: int = 1,
    report: Path | None = None,
    watcher: Watcher | None = None,
) -> Report:
    """Do what a plan says; arguments and errors as for `make_pairs`."""
    if jobs < 1:
        raise UsageError(f"--jobs {jobs}: at least one process is needed")
    output = planned.output
    known = {} if overwrite or not (output / PAIRS_MANIFEST).exists() else read_pairs(output)
    if not overwrite:
        _check_same(planned, known)
    output.mkdir(parents=True, exist_ok=True)
    write_toml(planned.options.recipe, output / PAIRS_RECIPE)
    manifest = _Manifest(planned, known, watcher)
    try:
        return run(
            partial(make_pair, output=output, options=planned.options),
            planned.jobs,
            workers=jobs,
            overwrite=overwrite,
            report=report,
            ignored=planned.ignored,
            watcher=manifest,
        )
    finally:
        manifest.close()
        # `run` looks after the folders of its targets; the pictures of high resolution lie beside them.
        for folder in {job.target.parent.relative_to(output / "LR") for job in planned.jobs}:
            remove_remains(output / "HR" / folder)


def make_pair(
    source: Path, target: Path, tick: Tick = lambda share: None, *, output: Path, options: PairOptions
) -> Mapping[str, Detail]:
    """Make one pair.

    Args:
        source: The picture.
        target: The LR file to write, in the folder LR of `output`; its name decides the draws.
        tick: Not called: a pair takes a moment.
        output: The folder of the pairs.
        options: How.

    Returns:
        `input_size` and `output_size`: width and height of both.

    Raises:
        AimangaError: The picture cannot be read, is smaller than the crop, or cannot be written.
    """
    pair = _drawn(Job(source, target), output, options)
    picture = _rgb_of(source, options.max_pixels, source.stat().st_mtime_ns)
    high = pair.box.of(picture.pixels)
    low = degrade_pixels(high, pair.sample)
    beside = output / pair.hr
    beside.parent.mkdir(parents=True, exist_ok=True)
    write(Picture(np.ascontiguousarray(high), icc=picture.icc), beside)
    write(Picture(low, icc=picture.icc), target)
    return {"input_size": [pair.box.width, pair.box.height], "output_size": [low.shape[1], low.shape[0]]}


def remake(folder: str | Path, lr: str) -> Picture:
    """Make a stored LR picture again, from its line of the manifest and its HR file.

    Args:
        folder: The folder of the pairs.
        lr: The LR file as the manifest names it: LR/NAME_1.png.

    Raises:
        UsageError: The manifest does not name it.
        PictureError: The HR file cannot be read.
    """
    folder = Path(folder)
    pair = read_pairs(folder).get(lr)
    if pair is None:
        raise UsageError(f"{folder / PAIRS_MANIFEST} has no line for {lr}; it names them as LR/NAME_1.png")
    high = read(folder / pair.hr)
    return Picture(degrade_pixels(high.pixels, pair.sample), icc=high.icc)


class _Manifest:
    """A watcher that appends a line for each pair that is made; `close` writes all of them in order."""

    def __init__(self, planned: PairPlan, known: Mapping[str, Pair], watcher: Watcher | None) -> None:
        self._planned = planned
        self._pairs = dict(known)
        self._watcher = watcher or Unwatched()
        write_pairs(planned.output, known.values())
        path = planned.output / PAIRS_MANIFEST
        self._file = path.open("a", encoding="utf-8", errors="surrogateescape", buffering=1)

    def started(self, job: Job) -> None:
        self._watcher.started(job)

    def advanced(self, job: Job, share: float) -> None:
        self._watcher.advanced(job, share)

    def finished(self, job: Job, record: Record) -> None:
        # Known pairs were compared with their draws before the work.
        if record.status != "failed" and _lr(job, self._planned.output) not in self._pairs:
            # The source of a pair that was made earlier may be gone.
            with suppress(AimangaError, OSError):
                pair = _drawn(job, self._planned.output, self._planned.options)
                self._pairs[pair.lr] = pair
                self._file.write(pair.to_json() + "\n")
        self._watcher.finished(job, record)

    def close(self) -> None:
        self._file.close()
        output = self._planned.output
        write_pairs(output, (pair for lr, pair in sorted(self._pairs.items()) if os.path.isfile(output / lr)))  # noqa: PTH113


def _check_same(planned: PairPlan, known: Mapping[str, Pair]) -> None:
    """Refuse to mix pairs of other draws with those of the plan."""
    for job in planned.jobs:
        before = known.get(_lr(job, planned.output))
        if before is None:
            continue
        try:
            pair = _drawn(job, planned.output, planned.options)
        except (AimangaError, OSError):
            continue  # it will be a line of the report
        if (pair.box, pair.sample) != (before.box, before.sample):
            raise UsageError(
                f"{planned.output}: {before.lr} was made with another recipe, seed or crop, or from another picture; "
                "choose another folder, or --overwrite"
            )


def _drawn(job: Job, output: Path, options: PairOptions) -> Pair:
    name = _lr(job, output).removeprefix("LR/")
    crop, seed, max_pixels = options.crop, options.seed, options.max_pixels
    return draw_pair(job.source, name, options.recipe, crop=crop, seed=seed, max_pixels=max_pixels)


def _lr(job: Job, output: Path) -> str:
    return job.target.relative_to(output).as_posix()


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}_{number}{path.suffix}")


# The pairs of one picture are made one after the other.
@lru_cache(maxsize=1)
def _rgb_of(source: Path, max_pixels: int, modified: int) -> Picture:
    """Read a picture in 8-bit RGB; `modified`, its modification time, is part of the cache's key."""
    return rgb(read(source, max_pixels=max_pixels, first_page=True))
