"""Upscale files and folders."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psutil

from aimanga.batch import Detail, Job, Paths, Record, Report, Status, Tick, Watcher, as_paths, run
from aimanga.batch import plan as find_jobs
from aimanga.errors import AimangaError, PictureError, ResourceError, UsageError
from aimanga.images import (
    READABLE_SUFFIXES,
    Format,
    Header,
    PictureFile,
    check_size,
    format_named,
    format_of,
    output_suffix,
    writing,
)
from aimanga.options import with_options
from aimanga.upscale.engine import Engine
from aimanga.upscale.image import load_engine, output_size, upscale_rows
from aimanga.upscale.options import UpscaleOptions


@dataclass(frozen=True)
class PlannedPicture:
    """One picture of a plan.

    Attributes:
        job: The source and the result; its cost is the number of pixels that the network works on.
        input_size: Width and height of the source; None where its header cannot be read.
        output_size: Width and height of the result.
        output_bytes: About how large the result will be on disk, rather too low than too high.
        problem: Why it will fail, if that is known before the work.
        present: Whether the result is there already.
    """

    job: Job
    input_size: tuple[int, int] | None
    output_size: tuple[int, int] | None
    output_bytes: int
    problem: str | None
    present: bool


@dataclass(frozen=True)
class UpscalePlan:
    """What a batch is going to do.

    Attributes:
        pictures: In the order of the work.
        ignored: Files of the input folders that are not pictures.
        subfolders: Folders that are skipped without `recursive`.
        options: How they are upscaled.
    """

    pictures: tuple[PlannedPicture, ...]
    ignored: int
    subfolders: int
    options: UpscaleOptions

    @property
    def waiting(self) -> list[PlannedPicture]:
        """The pictures that will be upscaled, without those that are known to fail."""
        return [picture for picture in self.pictures if self.status(picture) == "planned"]

    def status(self, picture: PlannedPicture) -> Status:
        """What will become of a picture: `planned` if it will be upscaled, `skipped`, or `failed`."""
        if picture.problem is not None:
            return "failed"
        return "skipped" if picture.present and not self.options.overwrite else "planned"


@with_options
def upscale_files(
    inputs: Paths,
    output: str | Path,
    options: UpscaleOptions = UpscaleOptions(),
    *,
    watcher: Watcher | None = None,
) -> Report:
    """Upscale files and folders of pictures: `upscale_files("photos", "out", scale=2, recursive=True)`.

    Results mirror the folders of the inputs and are written whole or not at all. Finished results are skipped,
    so an interrupted batch resumes where it stopped. A picture that fails does not stop the others.

    Args:
        inputs: A file, a folder, or several of them.
        output: The folder for the results; for a single file also the result itself.
        options: How; each option can also be given as a keyword. A script that asks for several `jobs` needs the
            `if __name__ == "__main__":` of Python's multiprocessing.
        watcher: Callbacks for plan and progress; `on_plan` gets an `UpscalePlan`.

    Returns:
        A record for each picture; in a dry run those that would be upscaled are `planned`.

    Raises:
        UsageError: The request is impossible; nothing was done.
        ModelError: The model cannot be loaded; nothing was done.
        ResourceError: The results do not fit on the disk; nothing was done.
        KeyboardInterrupt: Ctrl-C; what is finished stays.
    """
    watcher = watcher or Watcher()
    plan = plan_upscale(inputs, output, options)
    watcher.on_plan(plan)
    if options.dry_run:
        records = (Record(p.job.source, p.job.target, plan.status(p), error=p.problem) for p in plan.pictures)
        return Report(tuple(records), plan.ignored, 0.0)
    _check_disk(plan.waiting)
    return run(
        partial(upscale_file, options=options),
        [picture.job for picture in plan.pictures],
        workers=options.jobs,
        overwrite=options.overwrite,
        report=options.report,
        ignored=plan.ignored,
        watcher=watcher,
    )


def plan_upscale(inputs: Paths, output: str | Path, options: UpscaleOptions) -> UpscalePlan:
    """Find out what a batch would do; arguments and errors as for `upscale_files`. Nothing is written."""
    wanted = None if options.format is None else format_named(options.format)

    def result_name(source: Path) -> str:
        ending = output_suffix(source) if wanted is None else wanted.suffix
        return f"{source.stem}{options.suffix}{ending}"

    target = Path(output)
    found = find_jobs(
        as_paths(inputs), target, suffixes=READABLE_SUFFIXES, result_name=result_name, recursive=options.recursive
    )
    if found.jobs[0].target == target:
        _check_output_file(target, wanted, options.suffix)
    factor = load_engine(options.model, options.device, options.precision).model.scale
    pictures = tuple(_plan_picture(job, options, factor) for job in found.jobs)
    return UpscalePlan(pictures, found.ignored, found.subfolders, options)


def upscale_file(
    source: Path,
    target: Path,
    tick: Tick = lambda share: None,
    *,
    options: UpscaleOptions,
    engine: Engine | None = None,
) -> Mapping[str, Detail]:
    """Upscale one file into another.

    Args:
        source: The picture.
        target: The result; its suffix names the format, its folder exists.
        tick: Called with the share of the work that is done.
        options: How.
        engine: Runs in place of the model, device and precision that `options` names, for weights without a file.

    Returns:
        `input_size`, `output_size`, `model`, `model_sha256`, `strength`, `device` and `precision`.

    Raises:
        AimangaError: Reading, upscaling or writing is not possible; nothing was written.
    """
    picture = PictureFile(source, max_pixels=options.max_pixels, first_page=options.first_page)
    engine = engine or load_engine(options.model, options.device, options.precision)
    size = _result_size(picture.header, options, engine.model.scale)
    check_size(format_of(target), *size, source)
    _check_memory(source, picture.header, engine)
    sink = partial(writing, path=target, quality=options.quality, strip_metadata=options.strip_metadata)
    upscale_rows(engine, picture, size, sink, options.strength, tick)
    return {
        "input_size": [picture.header.width, picture.header.height],
        "output_size": list(size),
        "model": engine.model.name,
        "model_sha256": engine.model.sha256,
        "strength": options.strength,
        "device": str(engine.device),
        "precision": engine.precision,
    }


def _check_output_file(target: Path, wanted: Format | None, suffix: str) -> None:
    """Refuse options that a result's full name contradicts."""
    try:
        form = format_of(target)
    except PictureError as error:
        raise UsageError(f"{error}. If it is to be a folder, make it first") from error
    if suffix or (wanted is not None and wanted != form):
        raise UsageError(f"{target} names the result: --suffix, and a --format other than {form.name}, contradict it")


def _result_size(header: Header, options: UpscaleOptions, model_scale: float) -> tuple[int, int]:
    if options.width is not None:
        return options.width, max(1, round(header.height * options.width / header.width))
    return output_size(header.width, header.height, options.scale or model_scale)


def _plan_picture(job: Job, options: UpscaleOptions, factor: float) -> PlannedPicture:
    present = os.path.isfile(job.target)  # noqa: PTH113 (False for a name that the file system does not take)
    try:
        form = format_of(job.target)
        header = PictureFile(job.source, max_pixels=options.max_pixels, first_page=options.first_page).header
        size = _result_size(header, options, factor)
        check_size(form, *size, job.source)
    except (AimangaError, OSError) as error:
        return PlannedPicture(job, None, None, 0, str(error), present)
    width, height = size
    deep = 2 if header.bits == 16 and form.deep else 1
    output_bytes = int(width * height * header.samples * form.bytes_per_sample) * deep
    job = replace(job, cost=float(header.width * header.height * (2 if header.alpha else 1)))
    return PlannedPicture(job, (header.width, header.height), size, output_bytes, None, present)


def _check_disk(pictures: Sequence[PlannedPicture]) -> None:
    if not pictures:
        return
    folder = next(p for p in (pictures[0].job.target.parent, *pictures[0].job.target.parent.parents) if p.is_dir())
    needed = sum(picture.output_bytes for picture in pictures)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ResourceError(
            f"{folder}: the results need about {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free; "
            "free some space, choose another folder, or a smaller --format"
        )


# For decoding and encoding row by row, measured.
_BYTES_FOR_FILES = 50 * 10**6


def _check_memory(source: Path, header: Header, engine: Engine) -> None:
    streams = 2 if header.alpha else 1
    needed = _BYTES_FOR_FILES + streams * engine.memory_needed(header.width, header.height)
    free = psutil.virtual_memory().available
    if needed > free:
        raise ResourceError(
            f"{source}: {header.width} x {header.height} needs about {needed / 2**30:.1f} GiB of memory, and "
            f"{free / 2**30:.1f} GiB are free; close other programs, or cut the picture"
        )
