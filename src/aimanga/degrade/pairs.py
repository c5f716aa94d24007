"""Store pairs: pictures of high resolution, and what a recipe makes of them, with all that was drawn."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Generator

from aimanga.atomic import remove_remains, replacing
from aimanga.batch import Detail, Job, Record, Report, Tick, Watcher, plan, run
from aimanga.config import write_toml
from aimanga.degrade.pipeline import degrade
from aimanga.degrade.recipe import DEFAULT_RECIPE, Recipe, load_recipe
from aimanga.degrade.steps import Sample, draw
from aimanga.errors import AimangaError, PictureError, UsageError
from aimanga.hashing import seed_of
from aimanga.images import READABLE_SUFFIXES, Box, Picture, PictureFile, Samples, read, write
from aimanga.options import MAX_PIXELS
from aimanga.tensors import from_array, to_array

MANIFEST = "manifest.jsonl"
RECIPE = "recipe.toml"


@dataclass(frozen=True)
class Pair:
    """One line of a manifest: two files, and how the second one came from the first.

    Attributes:
        lr: The picture of low resolution, relative to the manifest's folder.
        hr: The picture of high resolution, likewise.
        source: The picture of which `hr` is a part, as it was given.
        box: Which part.
        sample: What was done to it.
    """

    lr: str
    hr: str
    source: str
    box: Box
    sample: Sample

    def to_json(self) -> str:
        """The pair as one line of JSON, without its end of line."""
        names = {"lr": self.lr, "hr": self.hr, "source": self.source}
        return json.dumps({**names, "box": asdict(self.box), **self.sample.model_dump()}, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> "Pair":
        """The pair of a line.

        Raises:
            ValueError: It is no line of a manifest.
        """
        fields = json.loads(line)
        try:
            sample = Sample.model_validate({key: fields[key] for key in ("seed", "steps")})
            return cls(fields["lr"], fields["hr"], fields["source"], Box(**fields["box"]), sample)
        except (KeyError, TypeError) as error:
            raise ValueError(f"no line of a manifest: {error}") from error


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
    inputs: str | Path | Sequence[str | Path],
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
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    options: PairOptions,
    *,
    per_image: int = 1,
    recursive: bool = False,
) -> PairPlan:
    """Find out what `make_pairs` would do; arguments and errors as there. Nothing is written."""
    problems = []
    scale = options.recipe.scale
    if per_image < 1:
        problems.append(f"--per-image {per_image}: at least one pair of each picture")
    if options.crop is not None and (options.crop < scale or options.crop % scale):
        problems.append(f"--crop {options.crop}: the side of a crop is a multiple of the scale {scale}")
    if problems:
        raise UsageError("; ".join(problems))
    given = [Path(path) for path in ([inputs] if isinstance(inputs, str | Path) else inputs)]
    output = Path(output)
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
    known = {} if overwrite or not (output / MANIFEST).exists() else read_manifest(output)
    if not overwrite:
        _check_same(planned, known)
    output.mkdir(parents=True, exist_ok=True)
    write_toml(planned.options.recipe, output / RECIPE)
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
        manifest.write()
        # `run` looks after the folders of its targets; the pictures of high resolution lie beside them.
        for folder in {job.target.parent.relative_to(output / "LR") for job in planned.jobs}:
            remove_remains(output / "HR" / folder)


def make_pair(
    source: Path, target: Path, tick: Tick = lambda share: None, *, output: Path, options: PairOptions
) -> Mapping[str, Detail]:
    """Make one pair.

    Args:
        source: The picture.
        target: The picture of low resolution to write, in the folder LR of `output`; its name decides the draws.
        tick: Not told anything: a pair is soon made.
        output: The folder of the pairs.
        options: How.

    Returns:
        `input_size` and `output_size`, width and height of both.

    Raises:
        AimangaError: The picture cannot be read, is smaller than the crop, or cannot be written.
    """
    pair = _drawn(source, target, output, options)
    changed = source.stat().st_mtime_ns
    picture = _rgb_of(source, options.max_pixels, changed)
    high = pair.box.of(picture.pixels)
    low = degraded_pixels(high, pair.sample)
    beside = output / pair.hr
    beside.parent.mkdir(parents=True, exist_ok=True)
    write(Picture(np.ascontiguousarray(high), icc=picture.icc), beside)
    write(Picture(low, icc=picture.icc), target)
    return {"input_size": [pair.box.width, pair.box.height], "output_size": [low.shape[1], low.shape[0]]}


def degraded_pixels(pixels: Samples, sample: Sample) -> Samples:
    """Degrade stored samples.

    Args:
        pixels: H x W x 3, uint8.
        sample: Drawn for this size.

    Returns:
        h x w x 3, uint8.
    """
    return to_array(degrade(from_array(pixels), [sample]), np.uint8)


def remake(folder: Path, lr: str) -> Picture:
    """Make a stored picture of low resolution again, from its line of the manifest and the picture beside it.

    Args:
        folder: The folder of the pairs.
        lr: The picture as the manifest names it: LR/NAME_1.png.

    Raises:
        UsageError: The manifest does not know it.
        PictureError: The picture of high resolution cannot be read.
    """
    pair = read_manifest(folder).get(lr)
    if pair is None:
        raise UsageError(f"{folder / MANIFEST} has no line for {lr}; it names them as LR/NAME_1.png")
    high = read(folder / pair.hr)
    return Picture(degraded_pixels(high.pixels, pair.sample), icc=high.icc)


def draw_pair(width: int, height: int, name: str, options: PairOptions) -> tuple[Box, Sample]:
    """Draw a part of a picture, and what is done to it: for stored pairs and for training alike.

    Args:
        width: Of the picture, in pixels.
        height: Likewise.
        name: Of the pair; pairs of different names are drawn independently.
        options: The recipe, the crop, and the seed from which all follows.

    Raises:
        PictureError: The picture is smaller than the crop.
    """
    scale = options.recipe.scale
    side = options.crop
    box = Box(0, 0, width // scale * scale, height // scale * scale)
    if min(width, height) < (side or scale):
        raise PictureError(f"{width} x {height} is smaller than {f'the crop of {side}' if side else f'scale {scale}'}")
    if side is not None:
        generator = Generator().manual_seed(seed_of(options.seed, name, "place"))
        left, top = (int(torch.randint(0, n - side + 1, (), generator=generator)) for n in (width, height))
        box = Box(left, top, side, side)
    return box, draw_sample(box.width, box.height, name, options)


def draw_sample(width: int, height: int, name: str, options: PairOptions) -> Sample:
    """Draw what is done to the part of a picture; arguments as for `draw_pair`, the sides multiples of the scale."""
    return draw(options.recipe, height, width, seed_of(options.seed, name, "sample"))


def read_manifest(folder: Path) -> dict[str, Pair]:
    """The pairs that a folder holds, by the name of the picture of low resolution.

    Raises:
        UsageError: There is no manifest, or it is none.
    """
    path = folder / MANIFEST
    pairs = {}
    try:
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            pair = Pair.from_json(line)
        except ValueError as error:
            if number == len(lines):  # a killed run's last line, which has no end
                continue
            raise UsageError(f"{path}, line {number}: {error}") from error
        pairs[pair.lr] = pair
    return pairs


def rgb(picture: Picture) -> Picture:
    """A picture in 8 bits of RGB, as networks learn it: what is transparent is laid on white."""
    if picture.alpha is None and picture.pixels.dtype == np.uint8 and picture.pixels.shape[2] == 3:
        return Picture(picture.pixels, icc=picture.icc)
    x = from_array(picture.pixels)
    if picture.alpha is not None:
        alpha = from_array(picture.alpha[:, :, None])
        x = x * alpha + (1 - alpha)
    if x.shape[1] == 1:
        # A profile for gray says nothing about three channels.
        return Picture(to_array(x.expand(-1, 3, -1, -1), np.uint8))
    return Picture(to_array(x, np.uint8), icc=picture.icc)


class _Manifest(Watcher):
    """A watcher that writes a line for each pair that is made, and in the end all of them anew, in order."""

    def __init__(self, planned: PairPlan, known: Mapping[str, Pair], watcher: Watcher | None) -> None:
        self._planned = planned
        self._pairs = dict(known)
        self._watcher = watcher or Watcher()
        self._path = planned.output / MANIFEST
        _write_lines(self._path, self._pairs.values())
        self._file = self._path.open("a", encoding="utf-8", errors="surrogateescape", buffering=1)

    def on_batch(self, jobs: Sequence[Job]) -> None:
        self._watcher.on_batch(jobs)

    def on_start(self, job: Job) -> None:
        self._watcher.on_start(job)

    def on_progress(self, job: Job, share: float) -> None:
        self._watcher.on_progress(job, share)

    def on_end(self, job: Job, record: Record) -> None:
        # What is known already was compared with its draws before the work.
        if record.status != "failed" and _relative(job.target, self._planned.output) not in self._pairs:
            # Of a pair that was there already the source may have gone.
            with suppress(AimangaError, OSError):
                pair = _drawn(job.source, job.target, self._planned.output, self._planned.options)
                self._pairs[pair.lr] = pair
                self._file.write(pair.to_json() + "\n")
        self._watcher.on_end(job, record)

    def write(self) -> None:
        self._file.close()
        there = [self._pairs[lr] for lr in sorted(self._pairs) if os.path.isfile(self._planned.output / lr)]  # noqa: PTH113
        _write_lines(self._path, there)


def _write_lines(path: Path, pairs: Iterable[Pair]) -> None:
    with replacing(path) as part, part.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        file.writelines(f"{pair.to_json()}\n" for pair in pairs)


def _check_same(planned: PairPlan, known: Mapping[str, Pair]) -> None:
    """Refuse to mix pairs that were drawn otherwise with those of the plan."""
    for job in planned.jobs:
        before = known.get(_relative(job.target, planned.output))
        if before is None:
            continue
        try:
            pair = _drawn(job.source, job.target, planned.output, planned.options)
        except (AimangaError, OSError):
            continue  # it will be one line of the report
        if (pair.box, pair.sample) != (before.box, before.sample):
            raise UsageError(
                f"{planned.output}: {before.lr} was made with another recipe, seed or crop, or of another picture; "
                "choose another folder, or --overwrite"
            )


def _drawn(source: Path, target: Path, output: Path, options: PairOptions) -> Pair:
    header = PictureFile(source, max_pixels=options.max_pixels, first_page=True).header
    lr = _relative(target, output)
    name = lr.removeprefix("LR/")
    try:
        box, sample = draw_pair(header.width, header.height, name, options)
    except PictureError as error:
        raise PictureError(f"{source}: {error}") from error
    return Pair(lr, f"HR/{name}", str(source), box, sample)


def _relative(target: Path, output: Path) -> str:
    return target.relative_to(output).as_posix()


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}_{number}{path.suffix}")


# The pairs of one picture are made one after the other.
@lru_cache(maxsize=1)
def _rgb_of(source: Path, max_pixels: int, changed: int) -> Picture:
    """Read a picture as `rgb` gives it; `changed`, its time of modification, is there for the cache."""
    return rgb(read(source, max_pixels=max_pixels, first_page=True))
