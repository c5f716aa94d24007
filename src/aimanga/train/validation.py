"""Evaluate the network on its validation sets: held-out pictures with ground truth, and real ones without."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aimanga.batch import find
from aimanga.degrade import DegradationMixture, degrade
from aimanga.errors import PictureError, UsageError
from aimanga.hashing import seed_of
from aimanga.images import READABLE_SUFFIXES, Box, PictureFile
from aimanga.metrics import Scorer, find_metric, missing_weights
from aimanga.models import LoadedModel
from aimanga.problems import Problems
from aimanga.tensors import from_array
from aimanga.text import counted
from aimanga.train.grids import Output, Row, pixels_of, write_grid
from aimanga.train.learner import L1
from aimanga.train.loader import read_box
from aimanga.train.reading import RecipeFile
from aimanga.train.recipe import TrainRecipe
from aimanga.train.sources import Item
from aimanga.upscale.engine import Engine, NotFiniteError
from aimanga.upscale.precision import choose_precision

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


@dataclass(frozen=True)
class Validation:
    """The result of a validation.

    Attributes:
        scores: The mean of each metric by validation set, `held_out` and `real`.
        grids: The sheets by validation set.
        warnings: The metrics that could not be computed, and why.
    """

    scores: dict[str, dict[str, float]]
    grids: dict[str, Path]
    warnings: tuple[str, ...]


class Validator:
    """Evaluates a network on the same pictures each time.

    Args:
        examples: The pictures by validation set.
        recipe: Metrics, and the number of pictures per sheet.
        scale: The scale factor of the networks.
        device: The device.

    Attributes:
        decides: The score that chooses the best weights, such as `real niqe`.

    Raises:
        UsageError: The metric of `validation.best` cannot be computed on any of the pictures.
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
            has_reference: Scorer(names, _device_name(device))
            for has_reference in (False, True)
            if (names := [metric.name for metric in wanted if metric.needs_reference == has_reference])
        }
        self._warned: set[str] = set()
        self._start: dict[str, list[Output]] = {}
        self.decides = self._deciding(recipe.validation.best)

    @classmethod
    def prepared(cls, file: RecipeFile, held_out: Sequence[Item], scale: int, degradation: DegradationMixture,
                 device: torch.device) -> "Validator":  # fmt: skip
        """Load the validation sets of a recipe.

        Args:
            file: The recipe; its `validation.pictures` replace `held_out`.
            held_out: Pictures that are held out of training.
            scale: The scale factor of the network.
            degradation: Makes the LR of held-out pictures, with a seed for each picture.
            device: The device.

        Raises:
            UsageError: Pictures cannot be read, there are none, or the metric of `validation.best` cannot be computed
                on them; the message names all such problems.
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
        try:
            return cls(examples, recipe, scale, device)
        except UsageError as error:
            raise UsageError(f"{file.where('validation', 'best')}: {error}") from error

    @staticmethod
    def check(file: RecipeFile) -> None:
        """Check that the metrics of a recipe can run.

        Raises:
            UsageError: There is no such metric, or its weights are missing.
        """
        validation = file.recipe.validation
        problems, known = Problems(), [L1]
        where = file.where("validation", "metrics")
        for name in validation.metrics:
            with problems.noting(where):
                metric = find_metric(name)
                known.append(metric.name)
                if reason := missing_weights(metric):
                    problems.add(f"{where}: {reason}")
        if validation.best is not None and _canonical(validation.best) not in known:
            where = file.where("validation", "best")
            problems.add(f"{where}: {validation.best} is neither {L1} nor among the metrics")
        problems.refuse()

    def count(self, kind: str) -> int:
        """The number of pictures in a validation set."""
        return len(self._examples.get(kind, ()))

    def run(self, start: LoadedModel, model: LoadedModel, folder: Path) -> Validation:
        """Evaluate a network.

        Args:
            start: The network at iteration 0, for comparison.
            model: The network now.
            folder: The folder of the sheets `held_out.png` and `real.png`; created if it is missing.

        Raises:
            NotFiniteError: An output is not finite.
        """
        engine = Engine(model, self._device, self._precision)
        scores: dict[str, dict[str, float]] = {}
        grids: dict[str, Path] = {}
        warnings: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)
        for kind, examples in self._examples.items():
            before = self._start_outputs(start, kind)
            values: dict[str, list[float]] = {}
            problems: dict[str, list[str]] = {}
            rows = []
            for number, example in enumerate(examples):
                now, missing = self._evaluated(engine, example)
                for name, value in now.scores.items():
                    values.setdefault(name, []).append(value)
                for name, problem in missing.items():
                    problems.setdefault(name, []).append(f"{example.name}: {problem}")
                if number < len(before):
                    high = None if example.high is None else pixels_of(example.high).pixels
                    rows.append(Row(example.name, pixels_of(example.low).pixels, before[number], now, high))
            scores[kind] = {name: sum(column) / len(column) for name, column in values.items()}
            grids[kind] = folder / f"{kind}.png"
            write_grid(grids[kind], rows)
            warnings += self._new_warnings(kind, problems)
        return Validation(scores, grids, tuple(warnings))

    def _evaluated(self, engine: Engine, example: Example) -> tuple[Output, dict[str, str]]:
        """The network's output with its scores; and why metrics could not be computed, by their names."""
        output = _upscaled(engine, example)
        picture = pixels_of(output)
        scores: dict[str, float] = {}
        problems: dict[str, str] = {}
        if example.high is not None:
            scores[L1] = float((output - example.high).abs().double().mean())
        for has_reference, scorer in self._scorers.items():
            if has_reference and example.high is None:
                continue
            reference = pixels_of(example.high) if has_reference and example.high is not None else None
            found = scorer(picture, reference)
            scores |= found.values
            problems |= found.problems
        return Output(picture.pixels, scores), problems

    def _start_outputs(self, start: LoadedModel, kind: str) -> list[Output]:
        """The outputs at iteration 0 for the pictures of a sheet, computed once."""
        if kind not in self._start:
            engine = Engine(start, self._device, self._precision)
            shown = self._examples[kind][: self._recipe.validation.grid]
            self._start[kind] = [self._evaluated(engine, example)[0] for example in shown]
        return self._start[kind]

    def _new_warnings(self, kind: str, problems: Mapping[str, Sequence[str]]) -> list[str]:
        """A warning for each metric that was left out for some pictures, the first time."""
        warnings = []
        for name, found in problems.items():
            series = f"{kind} {name}"
            if series not in self._warned:
                self._warned.add(series)
                count = len(self._examples[kind])
                warnings.append(f"{series} is left out for {len(found)} of {counted(count, 'picture')}: {found[0]}")
        return warnings

    def _deciding(self, wanted: str | None) -> str:
        metric = L1 if wanted is None else _canonical(wanted)
        candidates = [metric]
        if wanted is None and HELD_OUT not in self._examples and False in self._scorers:
            # L1 needs ground truth, and is only the default: the first NR metric replaces it.
            candidates = [found.name for found in self._scorers[False].metrics]
        for name in candidates:
            for kind in (REAL, HELD_OUT):
                if any(self._is_fit(example, name) for example in self._examples.get(kind, ())):
                    return f"{kind} {name}"
        if HELD_OUT not in self._examples and (metric == L1 or find_metric(metric).needs_reference):
            raise UsageError(f"{metric} needs ground truth, which real pictures do not have")
        raise UsageError(f"{metric} cannot be computed: all pictures are too small for it")

    def _is_fit(self, example: Example, name: str) -> bool:
        """Whether a metric can be computed on a picture: it has the ground truth, and is large enough."""
        if name == L1:
            return example.high is not None
        metric = find_metric(name)
        shorter, longer = sorted(length * self._scale for length in example.low.shape[2:])
        return (not metric.needs_reference or example.high is not None) and (
            shorter >= metric.smallest[0] and longer >= metric.smallest[1]
        )


@dataclass
class History:
    """The best scores so far by validation set and metric: `held_out psnr`, `real niqe`.

    Attributes:
        first: The scores at iteration 0.
        best: The best scores.
        iterations: Their iterations.
    """

    first: dict[str, float] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    iterations: dict[str, int] = field(default_factory=dict)

    def add(self, iteration: int, scores: Mapping[str, Mapping[str, float]]) -> tuple[list[str], list[str]]:
        """Add the scores of an iteration.

        Returns:
            The names of the best scores so far, and of those that are worse than at iteration 0. NaN is never better
            than a number, and always worse.
        """
        better, worse = [], []
        for kind, found in scores.items():
            for metric, score in found.items():
                series = f"{kind} {metric}"
                if math.isnan(score):
                    worse += [series] if series in self.first else []
                    continue
                if iteration == 0:
                    self.first[series] = score
                if series not in self.best or is_better(metric, score, self.best[series]):
                    self.best[series], self.iterations[series] = score, iteration
                    better.append(series)
                if series in self.first and is_better(metric, self.first[series], score):
                    worse.append(series)
        return better, worse

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Convert to what JSON can hold, with infinities as text."""
        return {
            "first": {name: str(score) for name, score in self.first.items()},
            "best": {name: str(score) for name, score in self.best.items()},
            "iterations": dict(self.iterations),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Mapping[str, Any]]) -> "History":
        """Convert back what `to_json` returned."""
        first, best = ({name: float(text) for name, text in content[part].items()} for part in ("first", "best"))
        return cls(first, best, dict(content["iterations"]))


def is_better(metric: str, score: float, than: float) -> bool:
    """Whether a score is better than another one."""
    return score < than if lower_is_better(metric) else score > than


def lower_is_better(metric: str) -> bool:
    """Whether lower scores of a metric are better."""
    return metric == L1 or find_metric(metric).better == "lower"


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


def _upscaled(engine: Engine, example: Example) -> Tensor:
    """The output of `aimanga.upscale` before it is rounded: 1 x 3 x H x W, clipped to [0, 1]."""
    try:
        output = engine.run(example.low).clamp(0, 1)
    except NotFiniteError as error:
        raise NotFiniteError(f"{example.name}: {error}") from error
    is_gray = bool((example.low == example.low[:, :1]).all())
    return output.mean(1, keepdim=True).expand_as(output) if is_gray else output


def _canonical(name: str) -> str:
    """The name of a metric as the catalogue spells it; an unknown name stays as it is."""
    try:
        return name if name == L1 else find_metric(name).name
    except UsageError:
        return name


def _find(path: str, where: str, problems: Problems) -> tuple[Path, ...]:
    """The pictures of a folder and its subfolders, or one picture; adds a problem if there are none."""
    with problems.noting(where, UsageError):
        return find([Path(path)], suffixes=READABLE_SUFFIXES, recursive=True)
    return ()


def _device_name(device: torch.device) -> str:
    return "cpu" if device.type == "mps" else str(device)
