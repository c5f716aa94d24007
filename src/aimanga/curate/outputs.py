"""Hand out what is kept: copies, links, crops; and take back what a former selection had handed out."""

import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

from aimanga.atomic import replacing
from aimanga.batch import Detail, Job, Report, Tick, Watcher, run
from aimanga.curate.manifest import MANIFEST, Line, read_manifest
from aimanga.errors import PictureError, ResourceError
from aimanga.images import Canvas, Metadata, PictureFile, write

# Photos take 2 of the 3 bytes a pixel that they have, as PNG.
_BYTES_A_PIXEL = 2

Pictures = Literal["copy", "link", "none"]
"""What becomes of the pictures that are kept: copied, linked, or only named in the manifest."""


def check_room(lines: Iterable[Line], folder: Path, pictures: Pictures) -> None:
    """See that the disk has room for what a manifest names and is not there yet.

    Raises:
        ResourceError: It has not.
    """
    needed = 0
    for line in lines:
        if line.output and pictures == "copy" and not os.path.exists(folder / line.output):  # noqa: PTH110
            with suppress(OSError):  # a picture that has gone is said when it is its turn
                needed += os.stat(line.file).st_size  # noqa: PTH116
        for saved in line.crops:
            if saved.output and not (folder / saved.output).exists():
                needed += _BYTES_A_PIXEL * saved.crop.box.width * saved.crop.box.height
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ResourceError(
            f"{folder}: about {needed / 1e6:.0f} MB are to be written, and {free / 1e6:.0f} MB are free there; "
            "make room, keep fewer, or use --link or --manifest-only"
        )


def hand_out(
    folder: Path,
    pictures: Pictures,
    *,
    max_pixels: int,
    first_page: bool,
    jobs: int = 1,
    watcher: Watcher | None = None,
) -> Report:
    """Make the files that a manifest names; what is there already is not made again.

    Args:
        folder: The folder of the manifest.
        pictures: How the pictures with an output get there.
        max_pixels: As when they were measured.
        first_page: Likewise.
        jobs: Number of processes.
        watcher: Told how it goes on.

    Returns:
        A record for each file; of crops, for the first one of each picture.

    Raises:
        OSError: A folder cannot be written.
    """
    lines = read_manifest(folder)
    copies = [Job(Path(line.file), folder / line.output) for line in lines if line.output]
    crops = [Job(Path(line.file), target) for target, line in _by_first_crop(lines, folder).items()]
    stamp = (folder / MANIFEST).stat().st_mtime_ns
    cut = partial(_cut, folder, stamp, max_pixels=max_pixels, first_page=first_page)
    reports = [
        run(_link if pictures == "link" else _copy, copies, workers=jobs, watcher=watcher),
        run(cut, crops, workers=jobs, watcher=watcher),
    ]
    records = tuple(record for report in reports for record in report.records)
    return Report(records, 0, sum(report.seconds for report in reports))


def take_back(former: Iterable[Line], lines: Iterable[Line], folder: Path) -> tuple[int, list[str]]:
    """Remove the files of a former manifest that the new one does not name, or that were made of another picture.

    A file whose source has gone stays: it may be the last copy.

    Args:
        former: The manifest that was.
        lines: The manifest that will be.
        folder: The folder of both.

    Returns:
        How many were removed, and the outputs that stay though nothing names them.
    """
    wanted = {output: _origin(line, output) for line in lines for output in line.outputs}
    removed, orphans = 0, []
    for line in former:
        for output in line.outputs:
            path = folder / output
            if wanted.get(output) == _origin(line, output) or not (path.is_symlink() or path.exists()):
                continue
            if output not in wanted and not os.path.exists(line.file):  # noqa: PTH110
                orphans.append(output)
                continue
            path.unlink()
            removed += 1
    return removed, orphans


def _origin(line: Line, output: str) -> tuple[object, ...]:
    """What a file is made of."""
    boxes = [saved.crop.box for saved in line.crops if saved.output == output]
    return line.file, line.key, *boxes


def _copy(source: Path, target: Path, tick: Tick) -> Mapping[str, Detail]:
    with replacing(target) as part:
        shutil.copyfile(source, part)
        shutil.copystat(source, part)
    return {}


def _link(source: Path, target: Path, tick: Tick) -> Mapping[str, Detail]:
    target.unlink(missing_ok=True)  # a link whose picture had gone
    target.symlink_to(source)
    return {}


def _cut(
    folder: Path, stamp: int, source: Path, target: Path, tick: Tick, *, max_pixels: int, first_page: bool
) -> Mapping[str, Detail]:
    """Cut the crops of a picture in one reading of its rows, and write the first one last: it stands for all."""
    line = _lines_by_first_crop(folder, stamp)[target]
    picture = PictureFile(source, max_pixels=max_pixels, first_page=first_page)
    header = picture.header
    if (header.width, header.height) != (line.width, line.height):
        raise PictureError(f"{source}: is not the picture any more that was measured")
    boxes = [saved.crop.box for saved in line.crops]
    # What EXIF says is about the whole picture.
    canvases = [Canvas(replace(header, width=box.width, height=box.height, metadata=Metadata())) for box in boxes]
    top = 0
    for band in picture.bands(64):
        for box, canvas in zip(boxes, canvases, strict=True):
            rows = slice(max(0, box.top - top), max(0, box.top + box.height - top))
            canvas.write(band[rows, box.left : box.left + box.width])
        top += len(band)
        if top >= max(box.top + box.height for box in boxes):
            break
    for saved, canvas in reversed(list(zip(line.crops, canvases, strict=True))):
        if saved.output:
            write(canvas.picture(), folder / saved.output)
    return {}


@lru_cache(maxsize=1)
def _lines_by_first_crop(folder: Path, stamp: int) -> Mapping[Path, Line]:
    """The lines of a manifest, read once a process; `stamp` tells one manifest from another."""
    return _by_first_crop(read_manifest(folder), folder)


def _by_first_crop(lines: Iterable[Line], folder: Path) -> dict[Path, Line]:
    return {folder / line.crops[0].output: line for line in lines if line.crops and line.crops[0].output}
