"""Upscale files and folders."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from aimanga.batch import Detail, Job, Report, Tick, Watcher, plan, run
from aimanga.errors import AimangaError, PictureError, ResourceError, UsageError
from aimanga.images import (
    MAX_PIXELS,
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
from aimanga.models import DEFAULT_MODEL
from aimanga.upscale.engine import Engine
from aimanga.upscale.image import (
    check_options,
    load_engine,
    output_size,
    upscale_rows,
)


@dataclass(frozen=True)
class UpscaleOptions:
    """How a batch of files is upscaled; the fields are those of `upscale_files`."""

    model: str = DEFAULT_MODEL
    scale: float | None = None
    width: int | None = None
    strength: float = 1.0
    quality: int | None = None
    device: str = "auto"
    precision: str = "auto"
    strip_metadata: bool = False
    max_pixels: int = MAX_PIXELS
    first_page: bool = False


@dataclass(frozen=True)
class PlannedPicture:
    """One picture of a plan.

    Attributes:
        job: The source and the result.
        input_size: Width and height of the source; None where its header cannot be read.
        output_size: Width and height of the result.
        network_pixels: Pixels that the network has to work on, those of the alpha channel included.
        output_bytes: About how large the result will be on disk, rather too low than too high.
        problem: Why it will fail, if that is known before the work.
        present: Whether the result is there already.
    """

    job: Job
    input_size: tuple[int, int] | None
    output_size: tuple[int, int] | None
    network_pixels: int
    output_bytes: int
    problem: str | None
    present: bool


@dataclass(frozen=True)
class UpscalePlan:
    """What a batch is going to do.

    Attributes:
        pictures: In the order of the work.
        ignored: Files of the input folders that are not pictures.
        subfolders: Folders that are left out without recursion.
        options: How they are upscaled.
    """

    pictures: tuple[PlannedPicture, ...]
    ignored: int
    subfolders: int
    options: UpscaleOptions

    def waiting(self, *, overwrite: bool = False) -> list[PlannedPicture]:
        """The pictures that are still to be made, without those that are known to fail."""
        return [p for p in self.pictures if p.problem is None and (overwrite or not p.present)]


def upscale_files(
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    model: str | Path = DEFAULT_MODEL,
    scale: float | None = None,
    width: int | None = None,
    strength: float = 1.0,
    format: str | None = None,
    quality: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    recursive: bool = False,
    suffix: str = "",
    overwrite: bool = False,
    strip_metadata: bool = False,
    max_pixels: int = MAX_PIXELS,
    first_page: bool = False,
    jobs: int = 1,
    report: str | Path | None = None,
    watcher: Watcher | None = None,
) -> Report:
    """Upscale files and folders of pictures.

    Results mirror the folders of the inputs and are written whole or not at all. Finished results are skipped,
    so an interrupted batch goes on where it stopped. A picture that fails does not stop the others.

    Args:
        inputs: A file, a folder, or several of them.
        output: The folder for the results; for a single file also the result itself.
        model: A name of the catalogue, or a weight file.
        scale: Output size over input size; None for the factor the model is made for.
        width: Width of every result in pixels, instead of `scale`; the height follows.
        strength: 0 (bicubic) to 1 (the network's result).
        format: `png`, `jpg`, `webp`, `tiff` or `avif`; None for that of the source.
        quality: 1 to 100 for jpg, webp and avif; None for 95.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        precision: `auto`, `fp32`, `bf16` or `fp16`.
        recursive: Enter subfolders.
        suffix: Put behind the name of each result, before its dot.
        overwrite: Make results that are there already again.
        strip_metadata: Leave out EXIF and XMP; the colour profile stays.
        max_pixels: Refuse larger sources.
        first_page: Take the first page of animations and files of several pages, instead of refusing them.
        jobs: Number of processes; on a CPU one uses all cores well. A script that asks for more needs the
            `if __name__ == "__main__":` that Python's multiprocessing asks for.
        report: A file to append one line of JSON a picture to.
        watcher: Told how it goes on.

    Returns:
        The report: a record a picture.

    Raises:
        UsageError: The request is impossible; nothing was done.
        ModelError: The model cannot be loaded; nothing was done.
        ResourceError: The results do not fit on the disk; nothing was done.
        KeyboardInterrupt: Ctrl-C; what is finished stays.
    """
    options = UpscaleOptions(
        str(model), scale, width, strength, quality, device, precision, strip_metadata, max_pixels, first_page
    )
    planned = plan_upscale(inputs, output, options, format=format, recursive=recursive, suffix=suffix)
    return run_plan(
        planned,
        overwrite=overwrite,
        jobs=jobs,
        report=None if report is None else Path(report),
        watcher=watcher,
    )


def plan_upscale(
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    options: UpscaleOptions,
    *,
    format: str | None = None,
    recursive: bool = False,
    suffix: str = "",
) -> UpscalePlan:
    """Find out what a batch would do; arguments and errors as for `upscale_files`. Nothing is written."""
    _check(options)
    wanted = None if format is None else format_named(format)

    def result_name(source: Path) -> str:
        ending = output_suffix(source) if wanted is None else wanted.suffix
        return f"{source.stem}{suffix}{ending}"

    given = [inputs] if isinstance(inputs, str | Path) else inputs
    target = Path(output)
    if "/" in suffix or os.sep in suffix:
        raise UsageError(f"--suffix {suffix}: a suffix is a part of the file's name")
    found = plan(
        [Path(path) for path in given],
        target,
        suffixes=READABLE_SUFFIXES,
        result_name=result_name,
        recursive=recursive,
    )
    if found.jobs[0].target == target:
        _check_output_file(target, wanted, suffix)
    factor = load_engine(options.model, options.device, options.precision).model.scale
    pictures = tuple(_plan_picture(job, options, factor) for job in found.jobs)
    return UpscalePlan(pictures, found.ignored, found.subfolders, options)


def run_plan(
    planned: UpscalePlan,
    *,
    overwrite: bool = False,
    jobs: int = 1,
    report: Path | None = None,
    watcher: Watcher | None = None,
) -> Report:
    """Do what a plan says; arguments and errors as for `upscale_files`."""
    if jobs < 1:
        raise UsageError(f"--jobs {jobs}: at least one process is needed")
    _check_disk(planned.waiting(overwrite=overwrite))
    return run(
        partial(upscale_file, options=planned.options),
        [picture.job for picture in planned.pictures],
        workers=jobs,
        overwrite=overwrite,
        report=report,
        ignored=planned.ignored,
        watcher=watcher,
    )


def upscale_file(
    source: Path, target: Path, tick: Tick = lambda share: None, *, options: UpscaleOptions
) -> Mapping[str, Detail]:
    """Upscale one file into another.

    Args:
        source: The picture.
        target: The result; its suffix names the format, its folder exists.
        tick: Told the share of the work that is done.
        options: How.

    Returns:
        `input_size`, `output_size`, `model`, `model_sha256`, `strength`, `device` and `precision`.

    Raises:
        AimangaError: Reading, upscaling or writing is not possible; nothing was written.
    """
    picture = PictureFile(source, max_pixels=options.max_pixels, first_page=options.first_page)
    engine = load_engine(options.model, options.device, options.precision)
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


def _check(options: UpscaleOptions) -> None:
    check_options(scale=options.scale, strength=options.strength)
    problems = []
    if options.scale is not None and options.width is not None:
        problems.append("--scale and --width contradict each other: give one of them")
    if options.width is not None and options.width < 1:
        problems.append(f"--width {options.width}: the width is at least 1")
    if options.quality is not None and not 1 <= options.quality <= 100:
        problems.append(f"--quality {options.quality}: the quality is between 1 and 100")
    if problems:
        raise UsageError("; ".join(problems))


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
        return PlannedPicture(job, None, None, 0, 0, str(error), present)
    width, height = size
    deep = 2 if header.bits == 16 and form.deep else 1
    output_bytes = int(width * height * header.samples * form.bytes_per_sample) * deep
    network_pixels = header.width * header.height * (2 if header.alpha else 1)
    return PlannedPicture(job, (header.width, header.height), size, network_pixels, output_bytes, None, present)


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
