"""Check every picture before the first iteration, so that no training fails on a broken one after hours."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from aimanga.batch import Tick, Watcher, gather, journal
from aimanga.errors import UsageError
from aimanga.hashing import file_key, seed_of
from aimanga.images import Box, Picture, PictureFile, rgb
from aimanga.text import counted, listed
from aimanga.train.reading import RecipeFile
from aimanga.train.sources import Item, PictureSet

PROBLEMS = "data-problems.txt"

# Increase this when the check changes; pictures are then checked again.
_EDITION = 2
# Problems of a kind that a message names; the file lists all of them.
_NAMED = 10
# Starting a process takes as long as reading so many pictures.
_FILES_PER_PROCESS = 50
# Rows that are decoded at once.
_BAND = 256

Facts = Mapping[Path, Mapping[str, Any]]
"""What `inspect` found, by file."""


@dataclass(frozen=True)
class DataSet:
    """The training data; every file was read and is good.

    Attributes:
        sets: The pictures by the recipe's sources; every item has a box.
        held_out: The validation set, held out of training.
        digest: SHA-256 of all pixels, boxes and weights; it does not depend on where the files are.
        problems: What was skipped, and why.
    """

    sets: tuple[PictureSet, ...]
    held_out: tuple[Item, ...]
    digest: str
    problems: tuple[str, ...]

    @property
    def pictures(self) -> int:
        """The number of training pictures."""
        return sum(len(found.items) for found in self.sets)


def check(
    file: RecipeFile,
    sets: Sequence[PictureSet],
    scale: int,
    known: Path,
    *,
    jobs: int = 1,
    watcher: Watcher | None = None,
) -> DataSet:
    """Read every picture, find unusable ones, and hold the validation set out.

    Args:
        file: The recipe.
        sets: The pictures of its sources.
        scale: The scale factor of the network.
        known: A journal of earlier checks; files that have not changed since are not read again.
        jobs: Number of processes.
        watcher: Callbacks for progress.

    Raises:
        UsageError: Pictures are unreadable, too small, or duplicates, and the recipe does not say `problems = "skip"`;
            or too few are left. The message names all problems, which are also listed in a file beside the journal.
    """
    recipe = file.recipe
    files = _files_of(sets)
    reasons: dict[Path, str] = {}
    facts: dict[Path, Mapping[str, Any]] = {}
    limit = recipe.data.max_pixels
    workers = max(1, min(jobs, len(files) // _FILES_PER_PROCESS))
    with journal(known) as book:
        key = partial(_key, max_pixels=limit)
        inspected = gather(partial(inspect, max_pixels=limit), files, book, key=key, workers=workers, watcher=watcher)
        for record in inspected.records:
            if record.status == "failed":
                reasons[record.file] = record.error or "it cannot be read"
            else:
                facts[record.file] = book.values(record.file)
    problems: dict[str, list[str]] = {}
    good = tuple(
        replace(found, items=tuple(_good(found.items, facts, reasons, recipe.data.read_crop, scale, problems)))
        for found in _without_duplicates(sets, facts, problems)
    )
    lines = tuple(f"{kind}: {problem}" for kind, found in problems.items() for problem in found)
    if lines and recipe.data.problems == "refuse":
        path = known.with_name(PROBLEMS)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", errors="backslashreplace")
        kinds = [f"{len(found)} {kind}: {listed(found, _NAMED, '; ')}" for kind, found in problems.items()]
        raise UsageError(
            f"{file.where('data', 'sources')}: {'. '.join(kinds)}. All are listed in {path}. "
            "Mend or remove them, or skip them with --set data.problems=skip"
        )
    empty = [found.where for found in good if not found.items]
    if empty:
        raise UsageError(f"{'; '.join(empty)}: no picture is left to train on")
    held_out = () if recipe.validation.pictures else _held_out(good, recipe.validation.held_out, recipe.train.seed)
    origins = {item.origin for item in held_out}
    left = tuple(
        replace(found, items=items)
        for found in good
        if (items := tuple(item for item in found.items if item.origin not in origins))
    )
    data = DataSet(left, held_out, _digest(left, held_out, facts), lines)
    if data.pictures < recipe.train.batch_size:
        beside = f", and {len(held_out)} held out" if held_out else ""
        raise UsageError(
            f"{file.where('train', 'batch_size')}: a batch of {recipe.train.batch_size} is larger than the data: "
            f"{counted(data.pictures, 'picture')}{beside}"
        )
    return data


def _files_of(sets: Iterable[PictureSet]) -> list[Path]:
    """All files of some sets, each once."""
    return list(dict.fromkeys(path for found in sets for item in found.items for path in item.files))


def inspect(source: Path, tick: Tick = lambda share: None, *, max_pixels: int) -> dict[str, Any]:
    """Decode a whole picture.

    Returns:
        `width`, `height`, and `digest`, the SHA-256 of its pixels in 8 bits of RGB.

    Raises:
        PictureError: It cannot be read.
    """
    picture = PictureFile(source, max_pixels=max_pixels)
    header = picture.header
    digest = hashlib.sha256(f"{header.width} x {header.height}".encode())
    for rows in picture.bands(_BAND):
        digest.update(rgb(Picture.from_array(rows)).pixels.tobytes())
    return {"width": header.width, "height": header.height, "digest": digest.hexdigest()}


def _key(source: Path, *, max_pixels: int) -> str:
    return file_key(source, _EDITION, max_pixels)


def _without_duplicates(
    sets: Sequence[PictureSet], facts: Facts, problems: dict[str, list[str]]
) -> Iterable[PictureSet]:
    """Leave out items that equal an earlier one; two LR pictures may share an HR picture."""
    seen: dict[tuple[object, ...], Item] = {}
    for found in sets:
        kept = []
        for item in found.items:
            if any(path not in facts for path in item.files):
                kept.append(item)  # `_good` reports it
                continue
            first = seen.setdefault((item.box, *(facts[path]["digest"] for path in item.files)), item)
            if first is item:
                kept.append(item)
            else:
                problems.setdefault("duplicates", []).append(f"{_named(item)} is a copy of {_named(first)}")
        yield replace(found, items=tuple(kept))


def _good(
    items: Iterable[Item],
    facts: Facts,
    reasons: Mapping[Path, str],
    crop: int,
    scale: int,
    problems: dict[str, list[str]],
) -> Iterable[Item]:
    for item in items:
        broken = [reasons[path] for path in item.files if path in reasons]
        if broken:
            problems.setdefault("unreadable", []).extend(broken)
            continue
        width, height = _size(facts[item.file])
        box = item.box or Box(0, 0, width, height)
        if box.left + box.width > width or box.top + box.height > height:
            problems.setdefault("changed", []).append(f"{_named(item)} has {width} x {height} pixels")
        elif min(box.width, box.height) < crop:
            problems.setdefault("too small", []).append(
                f"{_named(item)} has {box.width} x {box.height} pixels, a crop has {crop}"
            )
        elif item.lr is not None and (size := _size(facts[item.lr])) != (width // scale, height // scale):
            problems.setdefault("not a pair", []).append(
                f"{item.lr} has {size[0]} x {size[1]} pixels, {item.file} has {width} x {height}, at scale {scale}"
            )
        else:
            yield replace(item, box=box)


def _size(facts: Mapping[str, Any]) -> tuple[int, int]:
    return int(facts["width"]), int(facts["height"])


def _named(item: Item) -> str:
    return str(item.file) if item.box is None else f"{item.file} at {item.box.left}, {item.box.top}"


def _held_out(sets: Sequence[PictureSet], wanted: int, seed: int) -> tuple[Item, ...]:
    """Choose a validation set at random, by the names alone; at most one item of each photo."""
    items = [item for found in sets for item in found.items]
    items.sort(key=lambda item: seed_of(seed, f"{Path(item.origin).name} {item.file.name} {item.box}", "held out"))
    by_origin: dict[str, Item] = {}
    for item in items:
        if len(by_origin) < wanted:
            by_origin.setdefault(item.origin, item)
    return tuple(by_origin.values())


def _digest(sets: Sequence[PictureSet], held_out: Sequence[Item], facts: Facts) -> str:
    digest = hashlib.sha256()
    for weight, items in [*((found.weight, found.items) for found in sets), (0.0, held_out)]:
        digest.update(f"weight {weight}\n".encode())
        for item in items:
            digest.update(f"{item.box} {' '.join(str(facts[path]['digest']) for path in item.files)}\n".encode())
    return digest.hexdigest()
