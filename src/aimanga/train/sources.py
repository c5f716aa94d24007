"""Find the training pictures: folders, curated pictures or crops, stored pairs, in any mixture."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from aimanga.batch import find
from aimanga.curate.manifest import MANIFEST
from aimanga.curate.manifest import read_manifest as read_curated
from aimanga.degrade.manifest import PAIRS_RECIPE, read_pairs
from aimanga.degrade.recipe import load_degradation
from aimanga.errors import UsageError
from aimanga.images import READABLE_SUFFIXES, Box
from aimanga.pairing import hr_name, lr_name, pair
from aimanga.problems import Problems
from aimanga.train.reading import RecipeFile
from aimanga.train.recipe import Source


@dataclass(frozen=True)
class Item:
    """A training picture.

    Attributes:
        file: The HR picture.
        box: The part of it that is used; None for all of it.
        lr: Its LR picture; None if the recipe's degradation makes it.
        origin: The photo that it is a part of, if known: a network must not be validated on a photo that it was trained
            on.
    """

    file: Path
    box: Box | None
    lr: Path | None
    origin: str

    @property
    def files(self) -> tuple[Path, ...]:
        """Its HR and LR files."""
        return (self.file,) if self.lr is None else (self.file, self.lr)


@dataclass(frozen=True)
class PictureSet:
    """The pictures of one source of a recipe.

    Attributes:
        items: The pictures, in a fixed order.
        weight: How often it is sampled.
        where: Its place in the recipe, for messages.
    """

    items: tuple[Item, ...]
    weight: float
    where: str


def find_sets(file: RecipeFile, scale: int) -> tuple[PictureSet, ...]:
    """Find the pictures of all sources of a recipe.

    Args:
        file: The recipe.
        scale: The scale factor of the network, which stored pairs need to have.

    Raises:
        UsageError: A source is missing or has no usable picture; the message names all of them.
    """
    sets, problems = [], Problems()
    for number, source in enumerate(file.recipe.data.sources):
        where = file.where("data", "sources", number, "path")
        with problems.noting(where, UsageError):
            sets.append(PictureSet(_items(source, scale), source.weight, where))
    problems.refuse()
    return tuple(sets)


def _items(source: Source, scale: int) -> tuple[Item, ...]:
    folder = Path(source.path)
    kind = _kind(folder)
    if kind != "pictures" and source.lr is not None:
        raise UsageError(f"{folder} holds {kind} already, so lr cannot name others")
    if kind == "curated pictures":
        return _curated(folder)
    if kind == "stored pairs":
        return _stored(folder, scale)
    files = find([folder], suffixes=READABLE_SUFFIXES, recursive=source.recursive)
    if source.lr is None:
        return tuple(Item(file, None, None, str(file)) for file in files)
    return _paired(files, folder, Path(source.lr), scale)


def _kind(folder: Path) -> str:
    """Whether a folder holds curated pictures, stored pairs or just pictures, by the first line of its manifest."""
    try:
        with (folder / MANIFEST).open(encoding="utf-8", errors="surrogateescape") as file:
            first = json.loads(file.readline())
    except (OSError, ValueError):
        return "pictures"
    if isinstance(first, dict) and "kept" in first:
        return "curated pictures"
    return "stored pairs" if isinstance(first, dict) and {"lr", "hr"} <= first.keys() else "pictures"


def _curated(folder: Path) -> tuple[Item, ...]:
    """The crops of the kept pictures, as files or boxes; of a picture without crops its copy, or itself."""
    items: list[Item] = []
    for line in read_curated(folder):
        if not line.kept:
            continue
        for crop in line.crops:
            if crop.output is None:
                items.append(Item(Path(line.file), crop.box, None, line.file))
            else:
                items.append(Item(folder / crop.output, None, None, line.file))
        if not line.crops:
            items.append(Item(Path(line.file) if line.output is None else folder / line.output, None, None, line.file))
    if not items:
        raise UsageError(f"{folder}: aimanga curate kept nothing there")
    return tuple(items)


def _stored(folder: Path, scale: int) -> tuple[Item, ...]:
    recipe = load_degradation(folder / PAIRS_RECIPE)
    if recipe.scale != scale:
        raise UsageError(f"{folder}: the pairs stored there are of scale {recipe.scale}, the model is of {scale}")
    return tuple(Item(folder / pair.hr, None, folder / pair.lr, pair.source) for pair in read_pairs(folder).values())


def _paired(files: Iterable[Path], folder: Path, low: Path, scale: int) -> tuple[Item, ...]:
    """Pair HR and LR pictures by their paths within two folders; `aimanga.pairing` has the rule."""
    lr = find([low], suffixes=READABLE_SUFFIXES, recursive=True)
    inside = folder if folder.is_dir() else folder.parent
    pairs = pair(
        {path: lr_name(path, scale, folder=low if low.is_dir() else low.parent) for path in lr},
        {path: hr_name(path, inside) for path in files},
    )
    partners = {hr: path for path, hr in pairs.found.items()}
    problems = Problems()
    problems.add(*dict.fromkeys(pairs.unclear.values()))
    if not pairs.unclear:
        problems.add(*(f"{file} has no partner in {low}" for file in files if file not in partners))
    problems.add(*(f"{file} has no partner in {folder}" for file in pairs.missing))
    problems.refuse()
    return tuple(Item(file, None, partners[file], str(file)) for file in files)
