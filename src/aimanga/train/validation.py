"""How good the network is: on held-out pictures, whose better version is known, and on real ones, where none is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aimanga.degrade import Recipe, degrade, draw
from aimanga.errors import PictureError, UsageError
from aimanga.hashing import seed_of
from aimanga.images import Box, PictureFile
from aimanga.metrics import Scorer, find_metric, missing_weights
from aimanga.models import LoadedModel
from aimanga.tensors import from_array
from aimanga.train.feed import read_box
from aimanga.train.grids import Made, Row, pixels_of, write_grid
from aimanga.train.recipe import RecipeFile, TrainRecipe
from aimanga.train.sources import Item, find_pictures
from aimanga.upscale.engine import Engine, NotFiniteError
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
        scale: The factor of the networks.
        device: Where they run.

    Attributes:
        decides: The series by which weights are the best: `real niqe`, say.

    Raises:
        UsageError: What decides cannot be measured on any of the pictures.
    """

    def __init__(
        self, examples: Mapping[str, Sequence[Example]], recipe: TrainRecipe, scale: int, device: torch.device
    ) -> None:
        self._examples = {kind: found for kind, found in examples.items() if found}
        self._recipe = recipe
        self._scale = scale
        self._device = device
        self._precision = choose_precision("auto", device)
        wanted = [find_metric(name) for name in recipe.validation.metrics]
        self._scorers = {
            compares: Scorer(names, _device_name(device))
            for compares in (False, True)
            if (names := [metric.name for metric in wanted if metric.needs_reference == compares])
        }
        self._warned: set[str] = set()
        self._start: dict[str, list[Made]] = {}
        self.decides = self._deciding(recipe.validation.best)

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
            UsageError: Pictures cannot be read, there are none to measure on, or they are not fit for what decides; all
                such problems are named at once.
        """
        recipe = file.recipe
        problems: list[str] = []
        items = list(held_out)
        where = file.where("data", "sources")
        if recipe.validation.pictures:
            where = file.where("validation", "pictures")
            items = [Item(path, None, None, str(path)) for path in _found(recipe.validation.pictures, where, problems)]
        examples: dict[str, list[Example]] = {HELD_OUT: [], REAL: []}
        for item in items:
            try:
                examples[HELD_OUT].append(_held_out(item, recipe, scale, degradation))
            except (PictureError, OSError) as error:
                problems.append(f"{where}: {error}")
        if recipe.validation.real:
            where = file.where("validation", "real")
            for path in _found(recipe.validation.real, where, problems):
                try:
                    examples[REAL].append(_real(path, recipe, scale))
                except (PictureError, OSError) as error:
                    problems.append(f"{where}: {error}")
        if not problems and not any(examples.values()):
            where = file.where("validation", "held_out")
            problems.append(f"{where}: there is nothing to measure on: held_out, pictures or real has to name some")
        if problems:
            raise UsageError("; ".join(problems))
        try:
            return cls(examples, recipe, scale, device)
        except UsageError as error:
            raise UsageError(f"{file.where('validation', 'best')}: {error}") from error

    @staticmethod
    def check(file: RecipeFile) -> None:
        """See that the metrics of a recipe can run.

        Raises:
            UsageError: There is no such metric, or its weights are missing.
        """
        validation = file.recipe.validation
        problems, known = [], [L1]
        for name in validation.metrics:
            try:
                metric = find_metric(name)
                known.append(metric.name)
                reason = missing_weights(metric)
            except UsageError as error:
                reason = str(error)
            if reason:
                problems.append(f"{file.where('validation', 'metrics')}: {reason}")
        if validation.best is not None and _measure(validation.best) not in known:
            where = file.where("validation", "best")
            problems.append(f"{where}: {validation.best} is neither {L1} nor among the metrics")
        if problems:
            raise UsageError("; ".join(problems))

    def count(self, kind: str) -> int:
        """How many pictures of a kind there are."""
        return len(self._examples.get(kind, ()))

    def run(self, start: LoadedModel, model: LoadedModel, folder: Path) -> Validation:
        """Measure a network.

        Args:
            start: The network as it was at first, to be shown beside.
            model: The network now.
            folder: Where the sheets go: `held_out.png` and `real.png`; made where it is missing.

        Raises:
            NotFiniteError: It makes something that is not finite.
        """
        engine = Engine(model, self._device, self._precision)
        scores: dict[str, dict[str, float]] = {}
        grids: dict[str, Path] = {}
        warnings: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)
        for kind, examples in self._examples.items():
            before = self._made_at_start(start, kind)
            values: dict[str, list[float]] = {}
            problems: dict[str, list[str]] = {}
            rows = []
            for number, example in enumerate(examples):
                now, lacking = self._examined(engine, example)
                for name, value in now.scores.items():
                    values.setdefault(name, []).append(value)
                for name, problem in lacking.items():
                    problems.setdefault(name, []).append(f"{example.name}: {problem}")
                if number < len(before):
                    high = None if example.high is None else pixels_of(example.high).pixels
                    rows.append(Row(example.name, pixels_of(example.low).pixels, before[number], now, high))
            scores[kind] = {name: sum(column) / len(column) for name, column in values.items()}
            grids[kind] = folder / f"{kind}.png"
            write_grid(grids[kind], rows)
            warnings += self._new_warnings(kind, problems)
        return Validation(scores, grids, tuple(warnings))

    def _examined(self, engine: Engine, example: Example) -> tuple[Made, dict[str, str]]:
        """What a network makes of a picture, measured; and why something cannot be measured on it, by its name."""
        made = _upscaled(engine, example)
        picture = pixels_of(made)
        scores: dict[str, float] = {}
        problems: dict[str, str] = {}
        if example.high is not None:
            scores[L1] = float((made - example.high).abs().double().mean())
        for compares, scorer in self._scorers.items():
            if compares and example.high is None:
                continue
            found = scorer(picture, pixels_of(example.high) if compares and example.high is not None else None)
            scores |= found.values
            problems |= found.problems
        return Made(picture.pixels, scores), problems

    def _made_at_start(self, start: LoadedModel, kind: str) -> list[Made]:
        """What the network made at first of the pictures that are shown; made once."""
        if kind not in self._start:
            engine = Engine(start, self._device, self._precision)
            shown = self._examples[kind][: self._recipe.validation.grid]
            self._start[kind] = [self._examined(engine, example)[0] for example in shown]
        return self._start[kind]

    def _new_warnings(self, kind: str, problems: Mapping[str, Sequence[str]]) -> list[str]:
        """A warning for each measure that was left out for some pictures, the first time."""
        warnings = []
        for name, found in problems.items():
            series = f"{kind} {name}"
            if series not in self._warned:
                self._warned.add(series)
                count = len(self._examples[kind])
                warnings.append(f"{series} is left out for {len(found)} of {count} pictures: {found[0]}")
        return warnings

    def _deciding(self, wanted: str | None) -> str:
        measure = L1 if wanted is None else _measure(wanted)
        measures = [measure]
        if wanted is None and HELD_OUT not in self._examples and False in self._scorers:
            # Nobody has asked for L1, which needs true pictures: the first metric that does not takes its place.
            measures = [metric.name for metric in self._scorers[False].metrics]
        for name in measures:
            for kind in (REAL, HELD_OUT):
                if any(self._is_fit(example, name) for example in self._examples.get(kind, ())):
                    return f"{kind} {name}"
        if HELD_OUT not in self._examples and (measure == L1 or find_metric(measure).needs_reference):
            raise UsageError(f"{measure} compares with a true picture, and there are only real ones")
        raise UsageError(f"{measure} cannot be measured: all pictures are too small for it")

    def _is_fit(self, example: Example, measure: str) -> bool:
        """Whether something can be measured on a picture: it has a true one to compare with, and is large enough."""
        if measure == L1:
            return example.high is not None
        metric = find_metric(measure)
        shorter, longer = sorted(length * self._scale for length in example.low.shape[2:])
        return (not metric.needs_reference or example.high is not None) and (
            shorter >= metric.smallest[0] and longer >= metric.smallest[1]
        )


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
            The series that are better than ever, and those that are worse than at iteration 0. A score that is no
            number is never better, and worse than any number.
        """
        better, worse = [], []
        for kind, found in scores.items():
            for measure, score in found.items():
                series = f"{kind} {measure}"
                if math.isnan(score):
                    worse += [series] if series in self.first else []
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
    return score < than if lower_is_better(measure) else score > than


def lower_is_better(measure: str) -> bool:
    """Whether good pictures have low scores."""
    return measure == L1 or find_metric(measure).better == "lower"


def _held_out(item: Item, recipe: TrainRecipe, scale: int, degradation: Recipe) -> Example:
    limit = recipe.data.max_pixels
    header = PictureFile(item.file, max_pixels=limit).header
    box = _middle(item.box or Box(0, 0, header.width, header.height), recipe.validation.crop, scale, item.file)
    high = from_array(read_box(item.file, box, max_pixels=limit))
    name = item.file.stem
    if item.lr is not None:
        small = box.divided(scale)
        return Example(name, from_array(read_box(item.lr, small, max_pixels=limit)), high)
    sample = draw(degradation, box.height, box.width, seed_of(recipe.train.seed, name, "validation"))
    return Example(name, degrade(high, [sample]), high)


def _real(path: Path, recipe: TrainRecipe, scale: int) -> Example:
    limit, crop = recipe.data.max_pixels, recipe.validation.crop
    header = PictureFile(path, max_pixels=limit).header
    box = _middle(Box(0, 0, header.width, header.height), None if crop is None else crop // scale, 1, path)
    return Example(path.stem, from_array(read_box(path, box, max_pixels=limit)), None)


def _middle(whole: Box, side: int | None, grid: int, path: Path) -> Box:
    """The middle of a picture, its place and its size multiples of `grid`."""
    width, height = (min(length, side or length) // grid * grid for length in (whole.width, whole.height))
    if not width or not height:
        raise PictureError(f"{path}: {whole.width} x {whole.height} pixels are too few to measure on")
    left = whole.left + (whole.width - width) // 2 // grid * grid
    top = whole.top + (whole.height - height) // 2 // grid * grid
    return Box(left, top, width, height)


def _upscaled(engine: Engine, example: Example) -> Tensor:
    """What `aimanga.upscale` makes of it, before it is rounded: 1 x 3 x H x W, clipped to [0, 1]."""
    try:
        made = engine.run(example.low).clamp(0, 1)
    except NotFiniteError as error:
        raise NotFiniteError(f"{example.name}: {error}") from error
    is_gray = bool((example.low == example.low[:, :1]).all())
    return made.mean(1, keepdim=True).expand_as(made) if is_gray else made


def _measure(name: str) -> str:
    """A measure as scores are called, however a recipe spells it; what there is not stays as it is."""
    try:
        return name if name == L1 else find_metric(name).name
    except UsageError:
        return name


def _found(path: str, where: str, problems: list[str]) -> tuple[Path, ...]:
    """The pictures of a folder; where there are none, one problem more."""
    try:
        return find_pictures(path, where)
    except UsageError as error:
        problems.append(str(error))
        return ()


def _device_name(device: torch.device) -> str:
    return "cpu" if device.type == "mps" else str(device)
