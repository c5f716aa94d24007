"""Write the selected pictures (copies, links or crops) and remove those of the previous selection.

The state of a file is read from itself: a copy has the size and modification time of its source, a link points to it,
and a crop has its modification time, and its position in its name. Only files that the previous manifest names are
removed, and of these only those whose source still exists, unchanged.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from aimanga.atomic import replacing
from aimanga.batch import Detail, Job, Record, Tick, Watcher, run
from aimanga.curate.manifest import MANIFEST, ManifestEntry, read_manifest
from aimanga.curate.options import CurateOptions, Placement
from aimanga.errors import PictureError, ResourceError
from aimanga.images import Box, Canvas, Metadata, PictureFile, write
from aimanga.text import file_size

PICTURES, CROPS = "pictures", "crops"
"""The folders of the results."""

# File systems allow 255 bytes; the suffixes and the position of a crop need some.
_LONGEST_NAME = 200


@dataclass(frozen=True)
class OutputPlan:
    """What to write and to remove so that a folder holds what its manifest names.

    Attributes:
        entries: The manifest, without the outputs that cannot be written.
        copies: The pictures to copy or link, including those that exist.
        crops: A job for each picture with crops; its target is a missing crop, if one is.
        remove: Files of the previous selection, and outdated ones.
        orphans: Files of the previous selection that stay, since their sources are gone or have changed.
        blocked: Outputs that cannot be written, since something else has their name.
        needed: Estimate of the bytes to write, less those that are freed.
    """

    entries: tuple[ManifestEntry, ...]
    copies: tuple[Job, ...]
    crops: tuple[Job, ...]
    remove: tuple[Path, ...]
    orphans: tuple[str, ...]
    blocked: tuple[Record, ...]
    needed: int


def crop_name(name: str, box: Box) -> str:
    """The file of a crop, relative to the manifest's folder: NAME_LEFT_TOP_SIDE.png."""
    folder, _, file = name.rpartition("/")
    encoded = os.fsencode(file)
    if len(encoded) > _LONGEST_NAME:
        digest = hashlib.sha256(encoded).hexdigest()[:12]
        file = f"{os.fsdecode(encoded[: _LONGEST_NAME - 20])}-{digest}"
    return "/".join(part for part in (CROPS, folder, f"{file}_{box.left}_{box.top}_{box.width}.png") if part)


def plan_outputs(
    previous: Iterable[ManifestEntry], entries: Sequence[ManifestEntry], folder: Path, pictures: Placement
) -> OutputPlan:
    """Compare a folder with its new manifest. Nothing is written.

    Args:
        previous: The manifest that it has.
        entries: The manifest that it is going to have.
        folder: The folder of both.
        pictures: Whether whole pictures are copied or linked.
    """
    origins = {output: entry for entry in previous for output in entry.outputs}
    wanted = {output for entry in entries for output in entry.outputs}
    remove, orphans, blocked = [], [], []
    for output in origins.keys() - wanted:
        path = folder / output
        if path.is_symlink() or (os.path.lexists(path) and _has_original(origins[output], path)):
            remove.append(path)
        elif os.path.lexists(path):
            orphans.append(output)
    needed, written, copies, crops = 0, [], [], []
    for entry in entries:
        missing, stopped = [], set()
        for output in entry.outputs:
            path = folder / output
            if _is_current(path, entry, output, pictures):
                continue
            if os.path.lexists(path):
                if not _may_replace(path, entry, origins.get(output)):
                    blocked.append(_blocked(entry, path))
                    stopped.add(output)
                    continue
                remove.append(path)
            missing.append(output)
            needed += _bytes_of(entry, output, pictures)
        entry = _without(entry, stopped)
        written.append(entry)
        if entry.output:
            copies.append(Job(Path(entry.file), folder / entry.output))
        parts = [crop.output for crop in entry.crops if crop.output]
        if parts:
            target = next((output for output in parts if output in missing), parts[0])
            crops.append(Job(Path(entry.file), folder / target))
    needed -= sum(os.lstat(path).st_size for path in remove)
    return OutputPlan(
        tuple(written), tuple(copies), tuple(crops), tuple(sorted(remove)), tuple(sorted(orphans)), tuple(blocked),
        needed,
    )  # fmt: skip


def check_space(plan: OutputPlan, folder: Path) -> None:
    """Raise `ResourceError` where the disk has too little space for a plan."""
    free = shutil.disk_usage(folder).free
    if plan.needed > free:
        raise ResourceError(
            f"{folder}: the results need about {file_size(plan.needed)}, and {file_size(free)} are free; free some "
            "space, keep fewer, or use --pictures link or none"
        )


def remove_outputs(plan: OutputPlan, folder: Path) -> None:
    """Remove the files of the previous selection, and the folders that are empty then."""
    for path in plan.remove:
        path.unlink()
    for above in sorted({parent for path in plan.remove for parent in path.parents}, reverse=True):
        if folder in above.parents:
            with suppress(OSError):  # it is not empty
                above.rmdir()


def write_outputs(
    plan: OutputPlan, folder: Path, options: CurateOptions, *, jobs: int = 1, watcher: Watcher | None = None
) -> tuple[Record, ...]:
    """Write the missing files of a plan.

    Args:
        plan: What to write.
        folder: The folder of the manifest, which is written already.
        options: Whether to copy or to link, and how pictures were read when they were measured.
        jobs: Number of processes.
        watcher: Callbacks for the progress.

    Returns:
        A record for each copy or link, and one for all crops of a picture.

    Raises:
        OSError: A folder cannot be written.
    """
    stamp = (folder / MANIFEST).stat().st_mtime_ns
    cut = partial(_crop, folder, stamp, max_pixels=options.max_pixels, first_page=options.first_page)
    copies = run(_link if options.pictures == "link" else _copy, plan.copies, workers=jobs, watcher=watcher)
    crops = run(cut, plan.crops, workers=jobs, watcher=watcher)
    return (*copies.records, *crops.records, *plan.blocked)


def _is_current(path: Path, entry: ManifestEntry, output: str, pictures: Placement) -> bool:
    """Whether a file is what a manifest names."""
    whole = output == entry.output
    if whole and pictures == "link":
        return path.is_symlink() and os.readlink(path) == entry.file and os.path.exists(path)  # noqa: PTH110, PTH115
    if path.is_symlink() or not os.path.isfile(path):  # noqa: PTH113
        return False
    state = os.lstat(path)
    return state.st_mtime_ns == entry.modified and (not whole or state.st_size == entry.bytes)


def _may_replace(path: Path, entry: ManifestEntry, previous: ManifestEntry | None) -> bool:
    """Whether a file is an output of the previous selection of which nothing is lost."""
    if path.is_symlink():
        return True
    if previous is None or not path.is_file():
        return False
    # A copy of the same picture, which has changed since then, is outdated.
    return previous.file == entry.file or _has_original(previous, path)


def _has_original(entry: ManifestEntry, path: Path) -> bool:
    """Whether the source of an output still exists, unchanged, and is another file."""
    try:
        return _is_as_measured(entry) and not os.path.samefile(entry.file, path)  # noqa: PTH121
    except OSError:
        return False


def _is_as_measured(entry: ManifestEntry) -> bool:
    """Whether a picture is unchanged since it was measured.

    Raises:
        OSError: It is gone.
    """
    state = os.stat(entry.file)  # noqa: PTH116
    return (state.st_size, state.st_mtime_ns) == (entry.bytes, entry.modified)


def _without(entry: ManifestEntry, outputs: set[str]) -> ManifestEntry:
    crops = tuple(replace(crop, output=None) if crop.output in outputs else crop for crop in entry.crops)
    return replace(entry, output=None if entry.output in outputs else entry.output, crops=crops)


def _blocked(entry: ManifestEntry, path: Path) -> Record:
    reason = f"{path}: has the name of a result, but is a file of yours or the last copy of a picture; move it away"
    return Record(Path(entry.file), path, "failed", error=reason)


def _bytes_of(entry: ManifestEntry, output: str, pictures: Placement) -> int:
    if output == entry.output:
        return entry.bytes if pictures == "copy" else 0
    # Photos take 2 bytes a pixel as PNG.
    return sum(2 * crop.box.width * crop.box.height for crop in entry.crops if crop.output == output)


def _copy(source: Path, target: Path, tick: Tick) -> Mapping[str, Detail]:
    with replacing(target) as part:
        shutil.copyfile(source, part)
        shutil.copystat(source, part)
    return {}


def _link(source: Path, target: Path, tick: Tick) -> Mapping[str, Detail]:
    target.symlink_to(source)
    return {}


def _crop(
    folder: Path, stamp: int, source: Path, target: Path, tick: Tick, *, max_pixels: int, first_page: bool
) -> Mapping[str, Detail]:
    """Cut the missing crops of a picture, reading its rows once; `target`, which stands for all, is written last."""
    entry = _entries_by_crop(folder, stamp)[target]
    if not _is_as_measured(entry):
        raise PictureError(f"{source}: has changed since it was measured; run the same command again")
    picture = PictureFile(source, max_pixels=max_pixels, first_page=first_page)
    places = {folder / crop.output: crop.box for crop in entry.crops if crop.output}
    boxes = {path: box for path, box in places.items() if path == target or not os.path.lexists(path)}
    # The EXIF block describes the whole picture.
    canvases = {
        path: Canvas(replace(picture.header, width=box.width, height=box.height, metadata=Metadata()))
        for path, box in boxes.items()
    }
    top, bottom = 0, max(box.top + box.height for box in boxes.values())
    for band in picture.bands(64):
        for path, box in boxes.items():
            rows = slice(max(0, box.top - top), max(0, box.top + box.height - top))
            canvases[path].write(band[rows, box.left : box.left + box.width])
        top += len(band)
        if top >= bottom:
            break
    for path in sorted(boxes, key=lambda path: path == target):
        write(canvases[path].picture(), path)
        os.utime(path, ns=(entry.modified, entry.modified))
    return {}


@lru_cache(maxsize=1)
def _entries_by_crop(folder: Path, stamp: int) -> Mapping[Path, ManifestEntry]:
    """The entries of a manifest by their crops, read once a process; `stamp` tells one manifest from another."""
    return {folder / crop.output: entry for entry in read_manifest(folder) for crop in entry.crops if crop.output}
