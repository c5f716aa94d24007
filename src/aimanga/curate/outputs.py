"""Hand out what is kept: copies, links, crops; and take back what a former selection had handed out.

What lies in the folder is judged by what it is: a copy has the size and the time of its source, a link leads there, a
crop has the time of its source, and its place in its name. Only files that the former manifest names are ever removed,
and of these none whose picture is not there any more as it was.
"""

import hashlib
import os
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

from aimanga.atomic import replacing
from aimanga.batch import Detail, Job, Record, Report, Tick, Watcher, run
from aimanga.curate.manifest import MANIFEST, Line, read_manifest
from aimanga.errors import PictureError, ResourceError
from aimanga.images import Box, Canvas, Metadata, PictureFile, write

PICTURES, CROPS = "pictures", "crops"
"""The folders of the results."""

Pictures = Literal["copy", "link", "none"]
"""What becomes of the pictures that are kept: copied, linked, or only named in the manifest, crops included."""

# File systems allow 255 bytes; the suffixes and the place of a crop need some.
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Handout:
    """What is to be done so that a folder holds what its manifest names, and nothing of a former one.

    Attributes:
        lines: The manifest, less the results that cannot be made: what it names, the next run may replace.
        copies: The pictures to be copied or linked; those that are there are among them.
        crops: A job for each picture with crops; its target is one that is missing, where one is.
        remove: Files of the former manifest, and what is out of date.
        orphans: Files of the former manifest that stay, since their pictures have gone or changed.
        blocked: What cannot be made, since something else lies there.
        needed: Bytes that will be written, about, less those that become free.
    """

    lines: tuple[Line, ...]
    copies: tuple[Job, ...]
    crops: tuple[Job, ...]
    remove: tuple[Path, ...]
    orphans: tuple[str, ...]
    blocked: tuple[Record, ...]
    needed: int


def crop_name(name: str, box: Box) -> str:
    """Where a crop lies, relative to the manifest's folder: its name tells its left, top and side."""
    folder, _, file = name.rpartition("/")
    encoded = os.fsencode(file)
    if len(encoded) > _LONGEST_NAME:
        digest = hashlib.sha256(encoded).hexdigest()[:12]
        file = f"{os.fsdecode(encoded[: _LONGEST_NAME - 20])}-{digest}"
    return "/".join(part for part in (CROPS, folder, f"{file}_{box.left}_{box.top}_{box.width}.png") if part)


def plan_handout(former: Iterable[Line], lines: Sequence[Line], folder: Path, pictures: Pictures) -> Handout:
    """Compare a folder with the manifest that it is to have. Nothing is written.

    Args:
        former: The manifest that it had.
        lines: The manifest that it is to have.
        folder: The folder of both.
        pictures: How the pictures with an output get there.
    """
    origins = {output: line for line in former for output in line.outputs}
    wanted = {output: line for line in lines for output in line.outputs}
    remove, orphans, blocked = [], [], []
    for output, line in origins.items():
        path = folder / output
        if output in wanted or not os.path.lexists(path):
            continue
        if path.is_symlink() or _is_intact(line, path):
            remove.append(path)
        else:
            orphans.append(output)
    needed, made, copies, crops = 0, [], [], []
    for line in lines:
        missing, stopped = set(), set()
        for output in line.outputs:
            path = folder / output
            if _is_made(path, line, output == line.output, pictures):
                continue
            if os.path.lexists(path):
                if _may_be_replaced(path, line, origins.get(output)):
                    remove.append(path)
                else:
                    blocked.append(_blocked(line, path))
                    stopped.add(output)
                    continue
            missing.add(output)
            needed += _bytes_of(line, output, pictures)
        line = _without(line, stopped)
        made.append(line)
        if line.output:
            copies.append(Job(Path(line.file), folder / line.output))
        parts = [saved.output for saved in line.crops if saved.output]
        if parts:
            target = next((output for output in parts if output in missing), parts[0])
            crops.append(Job(Path(line.file), folder / target))
    freed = sum(os.lstat(path).st_size for path in remove)
    return Handout(
        tuple(made), tuple(copies), tuple(crops), tuple(remove), tuple(orphans), tuple(blocked), needed - freed
    )


def check_room(handout: Handout, folder: Path) -> None:
    """See that the disk has room for a handout.

    Raises:
        ResourceError: It has not.
    """
    free = shutil.disk_usage(folder).free
    if handout.needed > free:
        raise ResourceError(
            f"{folder}: about {handout.needed / 1e6:.0f} MB are to be written, and {free / 1e6:.0f} MB are free there; "
            "make room, keep fewer, or use --link or --manifest-only"
        )


def take_back(handout: Handout, folder: Path) -> None:
    """Remove what is to be removed, and the folders that are empty then."""
    for path in handout.remove:
        path.unlink()
    for above in sorted({parent for path in handout.remove for parent in path.parents}, reverse=True):
        if folder in above.parents:
            with suppress(OSError):  # it is not empty
                above.rmdir()


def hand_out(
    handout: Handout,
    folder: Path,
    pictures: Pictures,
    *,
    max_pixels: int,
    first_page: bool,
    jobs: int = 1,
    watcher: Watcher | None = None,
) -> Report:
    """Make the files of a handout; what is there already is not made again. The manifest lies in the folder.

    Args:
        handout: What to make.
        folder: The folder of the manifest.
        pictures: How pictures get there.
        max_pixels: As when they were measured.
        first_page: Likewise.
        jobs: Number of processes.
        watcher: Told how it goes on.

    Returns:
        A record for each copy or link, and one for all crops of a picture.

    Raises:
        OSError: A folder cannot be written.
    """
    stamp = (folder / MANIFEST).stat().st_mtime_ns
    cut = partial(_cut, folder, stamp, max_pixels=max_pixels, first_page=first_page)
    reports = [
        run(_link if pictures == "link" else _copy, handout.copies, workers=jobs, watcher=watcher),
        run(cut, handout.crops, workers=jobs, watcher=watcher),
    ]
    records = tuple(record for report in reports for record in report.records)
    return Report((*records, *handout.blocked), 0, sum(report.seconds for report in reports))


def _is_made(path: Path, line: Line, whole: bool, pictures: Pictures) -> bool:
    """Whether a file is what a manifest wants there."""
    if whole and pictures == "link":
        return path.is_symlink() and os.readlink(path) == line.file and os.path.exists(path)  # noqa: PTH110, PTH115
    if path.is_symlink() or not os.path.isfile(path):  # noqa: PTH113
        return False
    state = os.lstat(path)
    return state.st_mtime_ns == line.modified and (not whole or state.st_size == line.bytes)


def _may_be_replaced(path: Path, line: Line, former: Line | None) -> bool:
    """Whether what lies in the place of a result is a former one of which nothing is lost."""
    if path.is_symlink():
        return True
    if former is None or not path.is_file():
        return False
    # The same picture, changed since then, is replaced by what it is now.
    return former.file == line.file or _is_intact(former, path)


def _is_intact(line: Line, path: Path) -> bool:
    """Whether the picture of a former result is there as it was, somewhere else."""
    try:
        return _is_as_measured(line) and not os.path.samefile(line.file, path)  # noqa: PTH121
    except OSError:
        return False


def _is_as_measured(line: Line) -> bool:
    """Whether a picture has not changed since it was measured.

    Raises:
        OSError: It is not there any more.
    """
    state = os.stat(line.file)  # noqa: PTH116
    return (state.st_size, state.st_mtime_ns) == (line.bytes, line.modified)


def _without(line: Line, outputs: Collection[str]) -> Line:
    crops = (replace(saved, output=None) if saved.output in outputs else saved for saved in line.crops)
    return replace(line, output=None if line.output in outputs else line.output, crops=tuple(crops))


def _blocked(line: Line, path: Path) -> Record:
    reason = f"{path}: lies where a result is to go, and is none, or the last copy of another picture; move it away"
    return Record(Path(line.file), path, "failed", error=reason)


def _bytes_of(line: Line, output: str, pictures: Pictures) -> int:
    if output == line.output:
        return line.bytes if pictures == "copy" else 0
    # Photos take 2 of the 3 bytes a pixel that they have, as PNG.
    return sum(2 * saved.crop.box.width * saved.crop.box.height for saved in line.crops if saved.output == output)


def _copy(source: Path, target: Path, tick: Tick) -> Mapping[str, Detail]:
    with replacing(target) as part:
        shutil.copyfile(source, part)
        shutil.copystat(source, part)
    return {}


def _link(source: Path, target: Path, tick: Tick) -> Mapping[str, Detail]:
    target.symlink_to(source)
    return {}


def _cut(
    folder: Path, stamp: int, source: Path, target: Path, tick: Tick, *, max_pixels: int, first_page: bool
) -> Mapping[str, Detail]:
    """Cut the missing crops of a picture in one reading of its rows, and write the one that stands for all last."""
    line = _lines_by_crop(folder, stamp)[target]
    if not _is_as_measured(line):
        raise PictureError(f"{source}: is not the picture any more that was measured; run the same again")
    picture = PictureFile(source, max_pixels=max_pixels, first_page=first_page)
    places = {folder / saved.output: saved.crop.box for saved in line.crops if saved.output}
    boxes = {path: box for path, box in places.items() if path == target or not os.path.lexists(path)}
    # What EXIF says is about the whole picture.
    canvases = {
        path: Canvas(replace(picture.header, width=box.width, height=box.height, metadata=Metadata()))
        for path, box in boxes.items()
    }
    top = 0
    for band in picture.bands(64):
        for path, box in boxes.items():
            rows = slice(max(0, box.top - top), max(0, box.top + box.height - top))
            canvases[path].write(band[rows, box.left : box.left + box.width])
        top += len(band)
        if top >= max(box.top + box.height for box in boxes.values()):
            break
    for path in sorted(boxes, key=lambda path: path == target):
        write(canvases[path].picture(), path)
        os.utime(path, ns=(line.modified, line.modified))
    return {}


@lru_cache(maxsize=1)
def _lines_by_crop(folder: Path, stamp: int) -> Mapping[Path, Line]:
    """The lines of a manifest, read once a process; `stamp` tells one manifest from another."""
    return {folder / output: line for line in read_manifest(folder) for output in line.outputs if output != line.output}
