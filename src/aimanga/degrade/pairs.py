"""Store pairs: HR crops, and the LR pictures that a recipe makes of them, with every parameter that was drawn."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from aimanga.atomic import remove_remains
from aimanga.batch import Detail, Forwarding, Job, Paths, Record, Report, Tick, Watcher, as_paths, run
from aimanga.batch import plan as find_jobs
from aimanga.config import write_toml
from aimanga.degrade.drawing import degrade_pixels, draw_pair
from aimanga.degrade.manifest import PAIRS_MANIFEST, PAIRS_RECIPE, Pair, read_pairs, write_pairs
from aimanga.degrade.options import PairOptions
from aimanga.degrade.recipe import Recipe, load_degradation
from aimanga.errors import AimangaError, UsageError
from aimanga.images import READABLE_SUFFIXES, Picture, read, rgb, write
from aimanga.options import with_options


@dataclass(frozen=True)
class PairPlan:
    """What `make_pairs` is going to do.

    Attributes:
        jobs: One a pair: the source and the LR file.
        pictures: Number of sources.
        ignored: Files of the input folders that are not pictures.
        subfolders: Folders that are skipped without `recursive`.
        output: The folder of the pairs.
        recipe: The degradation.
        options: How they are made.
    """

    jobs: tuple[Job, ...]
    pictures: int
    ignored: int
    subfolders: int
    output: Path
    recipe: Recipe
    options: PairOptions

    def name(self, job: Job) -> str:
        """The name of a job's files in the folders HR and LR, which decides the draws."""
        return job.target.relative_to(self.output / "LR").as_posix()

    def draw(self, job: Job) -> Pair:
        """Draw the pair of a job; errors as for `draw_pair`."""
        return draw_pair(job.source, self.name(job), self.recipe, self.options)


@with_options
def make_pairs(
    inputs: Paths, output: str | Path, options: PairOptions = PairOptions(), *, watcher: Watcher | None = None
) -> Report:
    """Degrade pictures and store pairs: `make_pairs("photos", "pairs", recipe="realesrgan", crop=256)`.

    `output` gets the folders HR and LR with files of equal names, NAME_1.png and so on, 8-bit RGB; `manifest.jsonl`,
    a line a pair with every parameter that was drawn; and `recipe.toml`. Equal options give equal bytes, for any
    number of processes, interrupted or not. Existing pairs are skipped.

    Args:
        inputs: A file, a folder, or several of them. Transparent pictures are composited on white.
        output: The folder.
        options: How; each option can also be given as a keyword, and the recipe can be a `Recipe`. A script that asks
            for several `jobs` needs the `if __name__ == "__main__":` of Python's multiprocessing.
        watcher: Callbacks for plan and progress; `on_plan` gets a `PairPlan`.

    Returns:
        A record for each pair.

    Raises:
        UsageError: The request is impossible, or `output` holds pairs of other draws; nothing was done.
        KeyboardInterrupt: Ctrl-C; what is finished stays.
    """
    plan = plan_pairs(inputs, output, options)
    (watcher or Watcher()).on_plan(plan)
    return run_pairs(plan, watcher=watcher)


def plan_pairs(inputs: Paths, output: str | Path, options: PairOptions) -> PairPlan:
    """Find out what `make_pairs` would do; arguments and errors as there. Nothing is written."""
    recipe = load_degradation(options.recipe)
    if options.crop is not None and options.crop % recipe.scale:
        raise UsageError(f"--crop {options.crop}: the side of a crop is a multiple of the scale {recipe.scale}")
    given, output = as_paths(inputs), Path(output)
    if any(path.is_dir() and path.resolve() == output.resolve() for path in given):
        raise UsageError(f"{output}: the pairs need a folder of their own")
    # A single file's output may be the result itself; here it is always a folder, whatever its name.
    base = output / "LR" if output.suffix and not output.is_dir() else output
    found = find_jobs(
        given, base, suffixes=READABLE_SUFFIXES, result_name=lambda source: f"{source.stem}.png",
        recursive=options.recursive,
    )  # fmt: skip
    names = [(job.source, job.target.relative_to(base)) for job in found.jobs]
    jobs = tuple(
        Job(source, output / "LR" / name.with_stem(f"{name.stem}_{number}"))
        for source, name in names
        for number in range(1, options.per_image + 1)
    )
    return PairPlan(jobs, len(names), found.ignored, found.subfolders, output, recipe, options)


def run_pairs(plan: PairPlan, *, watcher: Watcher | None = None) -> Report:
    """Do what a plan says; errors as for `make_pairs`."""
    options, output = plan.options, plan.output
    known = {} if options.overwrite or not (output / PAIRS_MANIFEST).exists() else read_pairs(output)
    _check_same_draws(plan, known)
    output.mkdir(parents=True, exist_ok=True)
    write_toml(plan.recipe, output / PAIRS_RECIPE)
    manifest = _ManifestWriter(plan, known, watcher or Watcher())
    try:
        return run(
            partial(_make_pair, plan=replace(plan, jobs=())),  # it is pickled with every job
            plan.jobs,
            workers=options.jobs,
            overwrite=options.overwrite,
            report=options.report,
            ignored=plan.ignored,
            watcher=manifest,
        )
    finally:
        manifest.close()
        # `run` cleans the folders of its targets; the HR files are beside them.
        for folder in {job.target.parent.relative_to(output / "LR") for job in plan.jobs}:
            remove_remains(output / "HR" / folder)


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


def _make_pair(source: Path, target: Path, tick: Tick, *, plan: PairPlan) -> Mapping[str, Detail]:
    pair = plan.draw(Job(source, target))
    picture = _rgb_of(source, plan.options.max_pixels, source.stat().st_mtime_ns)
    high = pair.box.of(picture.pixels)
    low = degrade_pixels(high, pair.sample)
    beside = plan.output / pair.hr
    beside.parent.mkdir(parents=True, exist_ok=True)
    write(Picture(np.ascontiguousarray(high), icc=picture.icc), beside)
    write(Picture(low, icc=picture.icc), target)
    return {"input_size": [pair.box.width, pair.box.height], "output_size": [low.shape[1], low.shape[0]]}


class _ManifestWriter(Forwarding):
    """Appends a line to the manifest for each pair that is made; `close` writes all lines in order."""

    def __init__(self, plan: PairPlan, known: Mapping[str, Pair], watcher: Watcher) -> None:
        super().__init__(watcher)
        self._plan = plan
        self._pairs = dict(known)
        write_pairs(plan.output, known.values())
        path = plan.output / PAIRS_MANIFEST
        self._file = path.open("a", encoding="utf-8", errors="surrogateescape", buffering=1)

    def on_end(self, job: Job, record: Record) -> None:
        # The draws of known pairs were compared before the work.
        if record.status != "failed" and f"LR/{self._plan.name(job)}" not in self._pairs:
            # The source of a pair that was made earlier may be gone.
            with suppress(AimangaError, OSError):
                pair = self._plan.draw(job)
                self._pairs[pair.lr] = pair
                self._file.write(pair.to_json() + "\n")
        super().on_end(job, record)

    def close(self) -> None:
        self._file.close()
        output = self._plan.output
        write_pairs(output, (pair for lr, pair in sorted(self._pairs.items()) if os.path.isfile(output / lr)))  # noqa: PTH113


def _check_same_draws(plan: PairPlan, known: Mapping[str, Pair]) -> None:
    """Refuse to mix pairs of other draws with those of the plan."""
    for job in plan.jobs:
        before = known.get(f"LR/{plan.name(job)}")
        if before is None:
            continue
        try:
            pair = plan.draw(job)
        except (AimangaError, OSError):
            continue  # it will be a line of the report
        if (pair.box, pair.sample) != (before.box, before.sample):
            raise UsageError(
                f"{plan.output}: {before.lr} was made with another recipe, seed or crop, or from another picture; "
                "choose another folder, or --overwrite"
            )


# The pairs of one picture are made one after the other.
@lru_cache(maxsize=1)
def _rgb_of(source: Path, max_pixels: int, modified: int) -> Picture:
    """Read a picture as 8-bit RGB; `modified`, its modification time, is part of the cache's key."""
    return rgb(read(source, max_pixels=max_pixels, first_page=True))
