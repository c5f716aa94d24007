"""Load the validation sets: held-out pictures with ground truth, and real ones without."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from aimanga.batch import find
from aimanga.degrade import DegradationMixture, degrade
from aimanga.errors import PictureError, UsageError
from aimanga.hashing import seed_of
from aimanga.images import READABLE_SUFFIXES, Box, PictureFile
from aimanga.problems import Problems
from aimanga.tensors import from_array
from aimanga.train.loader import read_box
from aimanga.train.reading import RecipeFile
from aimanga.train.recipe import TrainRecipe
from aimanga.train.sources import Item

HELD_OUT, REAL = "held_out", "real"


@dataclass(frozen=True, eq=False)
class Example:
    """A picture of a validation set.

    Attributes:
        name: Its name, for people.
        low: LR, 1 x 3 x h x w, float32, range [0, 1].
        high: HR, 1 x 3 x (h scale) x (w scale); None if there is no ground truth.
    """

    name: str
    low: Tensor
    high: Tensor | None


def load_validation_sets(
    file: RecipeFile, held_out: Sequence[Item], scale: int, degradation: DegradationMixture
) -> dict[str, list[Example]]:
    """Load the validation sets of a recipe, by name.

    Args:
        file: The recipe; its `validation.pictures` replace `held_out`.
        held_out: Pictures that are held out of training.
        scale: The scale factor of the network.
        degradation: Makes the LR of held-out pictures, with a seed for each picture.

    Raises:
        UsageError: Pictures cannot be read, or there are none; the message names all such problems.
    """
    recipe, problems = file.recipe, Problems()
    items = list(held_out)
    where = file.where("data", "sources")
    if recipe.validation.pictures:
        where = file.where("validation", "pictures")
        items = [Item(path, None, None, str(path)) for path in _find(recipe.validation.pictures, where, problems)]
    examples: dict[str, list[Example]] = {HELD_OUT: [], REAL: []}
    for item in items:
        with problems.noting(where, (PictureError, OSError)):
            examples[HELD_OUT].append(_held_out(item, recipe, scale, degradation))
    if recipe.validation.real:
        where = file.where("validation", "real")
        for path in _find(recipe.validation.real, where, problems):
            with problems.noting(where, (PictureError, OSError)):
                examples[REAL].append(_real(path, recipe, scale))
    if not problems and not any(examples.values()):
        where = file.where("validation", "held_out")
        problems.add(f"{where}: there is no validation set: use held_out, pictures or real")
    problems.refuse()
    return examples


def _held_out(item: Item, recipe: TrainRecipe, scale: int, degradation: DegradationMixture) -> Example:
    limit = recipe.data.max_pixels
    header = PictureFile(item.file, max_pixels=limit).header
    box = _centre(item.box or Box(0, 0, header.width, header.height), recipe.validation.crop, scale, item.file)
    high = from_array(read_box(item.file, box, max_pixels=limit))
    name = item.file.stem
    if item.lr is not None:
        small = box.divided(scale)
        return Example(name, from_array(read_box(item.lr, small, max_pixels=limit)), high)
    sample = degradation.draw(box.height, box.width, seed_of(recipe.train.seed, name, "validation"))
    return Example(name, degrade(high, [sample]), high)


def _real(path: Path, recipe: TrainRecipe, scale: int) -> Example:
    limit, crop = recipe.data.max_pixels, recipe.validation.crop
    header = PictureFile(path, max_pixels=limit).header
    box = _centre(Box(0, 0, header.width, header.height), None if crop is None else crop // scale, 1, path)
    return Example(path.stem, from_array(read_box(path, box, max_pixels=limit)), None)


def _centre(whole: Box, side: int | None, grid: int, path: Path) -> Box:
    """The centre crop of a picture; its place and size are multiples of `grid`."""
    width, height = (min(length, side or length) // grid * grid for length in (whole.width, whole.height))
    if not width or not height:
        raise PictureError(f"{path}: {whole.width} x {whole.height} pixels are too few to validate on")
    left = whole.left + (whole.width - width) // 2 // grid * grid
    top = whole.top + (whole.height - height) // 2 // grid * grid
    return Box(left, top, width, height)


def _find(path: str, where: str, problems: Problems) -> tuple[Path, ...]:
    """The pictures of a folder and its subfolders, or one picture; adds a problem if there are none."""
    with problems.noting(where, UsageError):
        return find([Path(path)], suffixes=READABLE_SUFFIXES, recursive=True)
    return ()
