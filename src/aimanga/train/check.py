"""Look at every picture before the first iteration: a broken one shall not be met in the middle of the night."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from aimanga.batch import Tick, Watcher, gather, journal
from aimanga.errors import UsageError
from aimanga.hashing import seed_of
from aimanga.images import Box, Picture, PictureFile, rgb
from aimanga.train.recipe import RecipeFile
from aimanga.train.sources import Item, PictureSet
from aimanga.version import __version__

PROBLEMS = "data-problems.txt"

# Raised when a file is looked at otherwise: what was checked before is checked again.
_EDITION = 1
# So many problems of a kind are named in a message; the file has them all.
_NAMED = 10
# A process that is started takes as long as reading so many pictures.
_WORTH = 50
# Rows that are decoded at once.
_BAND = 256


@dataclass(frozen=True)
class DataSet:
    """What is learnt from, every file of it read once and found good.

    Attributes:
        sets: The pictures, by the recipe's sources; every item has a box.
        held_out: The pictures that are kept from training, to measure it.
        digest: SHA-256 of all samples, boxes and weights; it does not depend on where the files lie.
        problems: What was left out, and why.
    """

    sets: tuple[PictureSet, ...]
    held_out: tuple[Item, ...]
    digest: str
    problems: tuple[str, ...]

    @property
    def pictures(self) -> int:
        """How many pictures there are to learn from."""
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
    """Read every picture, find what cannot be learnt from, and set some aside to be held out.

    Args:
        file: The recipe.
        sets: The pictures of its sources.
        scale: The factor of the network.
        known: A journal of what was found; files that have not changed since are not read again.
        jobs: Number of processes.
        watcher: Told how it goes on.

    Raises:
        UsageError: There are pictures that are unreadable, too small, or copies of others, and the recipe does not say
            `problems = "skip"`; or too few are left. All problems are named at once, and written beside the journal.
    """
    recipe = file.recipe
    files = files_of(sets)
    reasons: dict[Path, str] = {}
    facts: dict[Path, Mapping[str, Any]] = {}
    work = partial(look_at, max_pixels=recipe.data.max_pixels)
    with journal(known) as book:
        key = partial(_key, max_pixels=recipe.data.max_pixels)
        for record in gather(
            work, files, book, key=key, workers=max(1, min(jobs, len(files) // _WORTH)), watcher=watcher
        ).records:
            if record.status == "failed":
                reasons[record.file] = record.error or "it cannot be read"
            else:
                facts[record.file] = book.values(record.file)
    problems: dict[str, list[str]] = {}
    good = tuple(
        replace(found, items=tuple(_good(found.items, facts, reasons, recipe.data.crop, scale, problems)))
        for found in _without_copies(sets, facts, problems)
    )
    listed = tuple(f"{kind}: {problem}" for kind, found in problems.items() for problem in found)
    if listed and recipe.data.problems == "refuse":
        raise UsageError(_message(file, problems, listed, known.with_name(PROBLEMS)))
    empty = [found.where for found in good if not found.items]
    if empty:
        raise UsageError(f"{'; '.join(empty)}: nothing is left to learn from")
    held_out = () if recipe.validation.pictures else _held_out(good, recipe.validation.held_out, recipe.train.seed)
    origins = {item.origin for item in held_out}
    left = tuple(
        replace(found, items=items)
        for found in good
        if (items := tuple(item for item in found.items if item.origin not in origins))
    )
    data = DataSet(left, held_out, _digest(left, held_out, facts), listed)
    if data.pictures < recipe.train.batch:
        where = file.where("train", "batch")
        raise UsageError(
            f"{where}: a batch of {recipe.train.batch} is larger than the data: {data.pictures} pictures"
            f"{f' beside the {len(held_out)} that are held out' if held_out else ''}"
        )
    return data


def files_of(sets: Iterable[PictureSet]) -> list[Path]:
    """All files of some sets, each once."""
    return list(dict.fromkeys(path for found in sets for item in found.items for path in item.files))


def look_at(source: Path, tick: Tick = lambda share: None, *, max_pixels: int) -> dict[str, Any]:
    """Decode a whole picture.

    Returns:
        `width`, `height`, and `digest`, the SHA-256 of its samples in 8 bits of RGB.

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
    state = source.stat()
    return " ".join(map(str, (__version__, _EDITION, max_pixels, state.st_size, state.st_mtime_ns)))


def _without_copies(
    sets: Sequence[PictureSet], facts: Mapping[Path, Mapping[str, Any]], problems: dict[str, list[str]]
) -> Iterable[PictureSet]:
    """Leave out what equals a picture before it; two pictures of low resolution may have one of high resolution."""
    seen: dict[tuple[object, ...], Item] = {}
    for found in sets:
        kept = []
        for item in found.items:
            if any(path not in facts for path in item.files):
                kept.append(item)  # it is found out elsewhere
                continue
            first = seen.setdefault((item.box, *(facts[path]["digest"] for path in item.files)), item)
            if first is item:
                kept.append(item)
            else:
                problems.setdefault("copies", []).append(f"{_named(item)} is a copy of {_named(first)}")
        yield replace(found, items=tuple(kept))


def _good(
    items: Iterable[Item],
    facts: Mapping[Path, Mapping[str, Any]],
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
        width, height = (int(facts[item.file][side]) for side in ("width", "height"))
        box = item.box or Box(0, 0, width, height)
        if box.left + box.width > width or box.top + box.height > height:
            problems.setdefault("changed", []).append(f"{_named(item)} has {width} x {height} pixels")
        elif min(box.width, box.height) < crop:
            problems.setdefault("too small", []).append(
                f"{_named(item)} has {box.width} x {box.height} pixels, a crop of {crop}"
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
    if item.box is None:
        return str(item.file)
    return f"{item.file} at {item.box.left}, {item.box.top}"


def _message(file: RecipeFile, problems: Mapping[str, Sequence[str]], listed: Sequence[str], path: Path) -> str:
    path.write_text("".join(f"{line}\n" for line in listed), encoding="utf-8", errors="backslashreplace")
    parts = []
    for kind, found in problems.items():
        more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        parts.append(f"{len(found)} {kind}: {'; '.join(found[:_NAMED])}{more}")
    return (
        f"{file.where('data', 'sources')}: {'. '.join(parts)}. All are listed in {path}. "
        "Mend or remove them, or --set data.problems=skip goes on without them"
    )


def _held_out(sets: Sequence[PictureSet], wanted: int, seed: int) -> tuple[Item, ...]:
    """Some pictures of all sets, by a lot that depends on their names alone; one of each photo."""
    items = [item for found in sets for item in found.items]
    items.sort(key=lambda item: seed_of(seed, f"{Path(item.origin).name} {item.file.name} {item.box}", "held out"))
    by_origin: dict[str, Item] = {}
    for item in items:
        if len(by_origin) < wanted:
            by_origin.setdefault(item.origin, item)
    return tuple(by_origin.values())


def _digest(sets: Sequence[PictureSet], held_out: Sequence[Item], facts: Mapping[Path, Mapping[str, Any]]) -> str:
    digest = hashlib.sha256()
    for weight, items in [*((found.weight, found.items) for found in sets), (0.0, held_out)]:
        digest.update(f"weight {weight}\n".encode())
        for item in items:
            digest.update(f"{item.box} {' '.join(str(facts[path]['digest']) for path in item.files)}\n".encode())
    return digest.hexdigest()
