"""How good the network is: on held-out pictures, whose better version is known, and on real ones, where none is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aimanga.degrade import Recipe, degrade, draw, seed_of
from aimanga.errors import PictureError, UsageError
from aimanga.images import Box, PictureFile
from aimanga.metrics import METRICS, Scorer
from aimanga.metrics.catalog import find_metric
from aimanga.metrics.scorer import missing_weights
from aimanga.models import LoadedModel
from aimanga.tensors import from_array
from aimanga.train.feed import Pixels, read_box
from aimanga.train.grids import Row, pixels_of, write_grid
from aimanga.train.recipe import RecipeFile, TrainRecipe
from aimanga.train.sources import Item, find_pictures
from aimanga.upscale.engine import Engine
from aimanga.upscale.precision import choose_precision

HELD_OUT, REAL = "held_out", "real"
L1 = "l1"
"""The measure that is always there: the mean absolute difference from the true picture, 1 from black to white."""


@dataclass(frozen=True, eq=False)
class Example:
    """A picture to measure the network on.

    Attributes:
        name: For people.
        low: 1 x 3 x h x w, float32, range [0, 1].
        high: What it should become, 1 x 3 x (h scale) x (w scale); None where nobody knows.
    """

    name: str
    low: Tensor
    high: Tensor | None


@dataclass(frozen=True)
class Validation:
    """What was found.

    Attributes:
        scores: Of each kind of pictures, `held_out` and `real`, the mean of each measure.
        grids: The sheets to look at, by kind.
        warnings: What could not be measured, and why.
    """

    scores: dict[str, dict[str, float]]
    grids: dict[str, Path]
    warnings: tuple[str, ...]


class Validator:
    """Measures a network on the same pictures each time.

    Args:
        examples: The pictures by kind.
        recipe: Metrics, and how many pictures are shown.
        device: Where the networks run.

    Attributes:
        decides: The series by which weights are the best: `real niqe`, say.
    """

    def __init__(self, examples: Mapping[str, Sequence[Example]], recipe: TrainRecipe, device: torch.device) -> None:
        self._examples = {kind: found for kind, found in examples.items() if found}
        self._recipe = recipe
        self._device = device
        self._precision = choose_precision("auto", device)
        wanted = [find_metric(name) for name in recipe.validation.metrics]
        self._scorers = {
            compares: Scorer(names, _device_name(device))
            for compares in (False, True)
            if (names := [metric.name for metric in wanted if metric.needs_reference == compares])
        }
        self._warned: set[str] = set()
        self._first: dict[str, list[Pixels]] = {}
        self.decides = self._deciding(recipe.validation.best or L1)

    @classmethod
    def prepared(cls, file: RecipeFile, held_out: Sequence[Item], scale: int, degradation: Recipe,
                 device: torch.device) -> "Validator":  # fmt: skip
        """Make one for a recipe.

        Args:
            file: The recipe; its `validation.pictures` take the place of `held_out`.
            held_out: Pictures that are kept from training.
            scale: The factor of the network.
            degradation: How the held-out pictures are degraded, each with draws of its own, the same in every run.
            device: Where the networks run.

        Raises:
            UsageError: Pictures cannot be read, or there are none to measure on.
        """
        recipe = file.recipe
        problems: list[str] = []
        items = list(held_out)
        where = file.where("data", "sources")
        if recipe.validation.pictures:
            where = file.where("validation", "pictures")
            items = [Item(path, None, None, str(path)) for path in find_pictures(recipe.validation.pictures, where)]
        examples: dict[str, list[Example]] = {HELD_OUT: [], REAL: []}
        for item in items:
            try:
                examples[HELD_OUT].append(_held_out(item, recipe, scale, degradation))
            except (PictureError, OSError) as error:
                problems.append(f"{where}: {error}")
        if recipe.validation.real:
            where = file.where("validation", "real")
            for path in find_pictures(recipe.validation.real, where):
                try:
                    examples[REAL].append(_real(path, recipe, scale))
                except (PictureError, OSError) as error:
                    problems.append(f"{where}: {error}")
        if not any(examples.values()):
            where = file.where("validation", "held_out")
            problems.append(f"{where}: there is nothing to measure on: held_out, pictures or real has to name some")
        if problems:
            raise UsageError("; ".join(problems))
        return cls(examples, recipe, device)

    @staticmethod
    def check(file: RecipeFile) -> None:
        """See that the metrics of a recipe can run.

        Raises:
            UsageError: There is no such metric, or its weights are missing.
        """
        validation = file.recipe.validation
        problems = []
        known = {metric.name for metric in METRICS}
        for name in validation.metrics:
            if name not in known:
                problems.append(f"there is no metric {name}; see aimanga metrics")
            elif reason := missing_weights(find_metric(name)):
                problems.append(reason)
        found = [f"{file.where('validation', 'metrics')}: {problem}" for problem in problems]
        if validation.best not in (None, L1, *validation.metrics):
            found.append(f"{file.where('validation', 'best')}: {validation.best} is not among the metrics")
        if found:
            raise UsageError("; ".join(found))

    def count(self, kind: str) -> int:
        """How many pictures of a kind there are."""
        return len(self._examples.get(kind, ()))

    def run(self, start: LoadedModel, model: LoadedModel, folder: Path) -> Validation:
        """Measure a network.

        Args:
            start: The network as it was at first, to be shown beside.
            model: The network now.
            folder: Where the sheets go: `held_out.png` and `real.png`.
        """
        engine = Engine(model, self._device, self._precision)
        scores: dict[str, dict[str, float]] = {}
        grids: dict[str, Path] = {}
        warnings: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)
        for kind, examples in self._examples.items():
            values: dict[str, list[float]] = {}
            rows = []
            before = self._before(start, kind)
            for number, example in enumerate(examples):
                made = engine.run(example.low)
                found = self._measured(made, example, warnings)
                for name, value in found.items():
                    values.setdefault(name, []).append(value)
                if number < len(before):
                    rows.append(self._row(example, before[number], made, found))
            scores[kind] = {name: sum(column) / len(column) for name, column in values.items()}
            grids[kind] = folder / f"{kind}.png"
            write_grid(grids[kind], rows)
        return Validation(scores, grids, tuple(warnings))

    def _measured(self, made: Tensor, example: Example, warnings: list[str]) -> dict[str, float]:
        """The measures of one picture; what cannot be measured on it is left out, with a warning the first time."""
        made = made.clamp(0, 1)
        found: dict[str, float] = {}
        if example.high is not None:
            found[L1] = float((made - example.high).abs().double().mean())
        for compares, scorer in self._scorers.items():
            if compares and example.high is None:
                continue
            scores = scorer(pixels_of(made), pixels_of(example.high) if compares and example.high is not None else None)
            found |= scores.values
            for name, problem in scores.problems.items():
                if name not in self._warned:
                    self._warned.add(name)
                    warnings.append(f"{example.name}: {problem}")
        return found

    def _before(self, start: LoadedModel, kind: str) -> list[Pixels]:
        """What the network made at first of the pictures that are shown; made once."""
        if kind not in self._first:
            engine = Engine(start, self._device, self._precision)
            shown = self._examples[kind][: self._recipe.validation.grid]
            self._first[kind] = [pixels_of(engine.run(example.low)).pixels for example in shown]
        return self._first[kind]

    def _row(self, example: Example, before: Pixels, made: Tensor, scores: Mapping[str, float]) -> Row:
        return Row(
            name=example.name,
            low=pixels_of(example.low).pixels,
            before=before,
            now=pixels_of(made).pixels,
            high=None if example.high is None else pixels_of(example.high).pixels,
            scores=scores,
        )

    def _deciding(self, measure: str) -> str:
        if REAL in self._examples and measure != L1 and not find_metric(measure).needs_reference:
            return f"{REAL} {measure}"
        if HELD_OUT in self._examples:
            return f"{HELD_OUT} {measure}"
        if False not in self._scorers:
            raise UsageError(f"{measure} compares with a true picture, and there are only real ones")
        return f"{REAL} {self._scorers[False].metrics[0].name}"


@dataclass
class History:
    """What was best so far, of each series of scores: `held_out psnr`, `real niqe`.

    Attributes:
        first: The scores of the weights that it started from.
        best: The best scores.
        iterations: When they were reached.
    """

    first: dict[str, float] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    iterations: dict[str, int] = field(default_factory=dict)

    def add(self, iteration: int, scores: Mapping[str, Mapping[str, float]]) -> tuple[list[str], list[str]]:
        """Take in the scores of an iteration.

        Returns:
            The series that are better than ever, and those that are worse than at iteration 0.
        """
        better, worse = [], []
        for kind, found in scores.items():
            for measure, score in found.items():
                series = f"{kind} {measure}"
                if math.isnan(score):
                    continue
                if iteration == 0:
                    self.first[series] = score
                if series not in self.best or is_better(measure, score, self.best[series]):
                    self.best[series], self.iterations[series] = score, iteration
                    better.append(series)
                if series in self.first and is_better(measure, self.first[series], score):
                    worse.append(series)
        return better, worse

    def to_json(self) -> dict[str, dict[str, Any]]:
        """All of it, for a state; infinities as text."""
        return {
            "first": {name: str(score) for name, score in self.first.items()},
            "best": {name: str(score) for name, score in self.best.items()},
            "iterations": dict(self.iterations),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Mapping[str, Any]]) -> "History":
        """What `to_json` gave."""
        first, best = ({name: float(text) for name, text in content[part].items()} for part in ("first", "best"))
        return cls(first, best, dict(content["iterations"]))


def is_better(measure: str, score: float, than: float) -> bool:
    """Whether a score is better than another one, by its measure's direction."""
    lower = measure == L1 or find_metric(measure).better == "lower"
    return score < than if lower else score > than


def _held_out(item: Item, recipe: TrainRecipe, scale: int, degradation: Recipe) -> Example:
    limit = recipe.data.max_pixels
    header = PictureFile(item.file, max_pixels=limit).header
    box = _middle(item.box or Box(0, 0, header.width, header.height), recipe.validation.crop, scale, item.file)
    high = _tensor(read_box(item.file, box, max_pixels=limit))
    name = item.file.stem
    if item.lr is not None:
        small = Box(*(length // scale for length in (box.left, box.top, box.width, box.height)))
        return Example(name, _tensor(read_box(item.lr, small, max_pixels=limit)), high)
    sample = draw(degradation, box.height, box.width, seed_of(recipe.train.seed, name, "validation"))
    return Example(name, degrade(high, [sample]), high)


def _real(path: Path, recipe: TrainRecipe, scale: int) -> Example:
    limit, crop = recipe.data.max_pixels, recipe.validation.crop
    header = PictureFile(path, max_pixels=limit).header
    box = _middle(Box(0, 0, header.width, header.height), None if crop is None else crop // scale, 1, path)
    return Example(path.stem, _tensor(read_box(path, box, max_pixels=limit)), None)


def _middle(whole: Box, side: int | None, grid: int, path: Path) -> Box:
    """The middle of a picture, its place and its size multiples of `grid`."""
    width, height = (min(length, side or length) // grid * grid for length in (whole.width, whole.height))
    if not width or not height:
        raise PictureError(f"{path}: {whole.width} x {whole.height} pixels are too few to measure on")
    left = whole.left + (whole.width - width) // 2 // grid * grid
    top = whole.top + (whole.height - height) // 2 // grid * grid
    return Box(left, top, width, height)


def _tensor(pixels: Pixels) -> Tensor:
    return from_array(pixels)


def _device_name(device: torch.device) -> str:
    return "cpu" if device.type == "mps" else str(device)
