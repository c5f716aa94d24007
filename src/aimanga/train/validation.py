"""Evaluate the network on its validation sets: held-out pictures with ground truth, and real ones without."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from aimanga.degrade import DegradationMixture
from aimanga.errors import UsageError
from aimanga.metrics import Scorer, find_metric, missing_weights
from aimanga.metrics.artifacts import LIMITS, find_artifacts, flat_blocks
from aimanga.models import LoadedModel
from aimanga.problems import Problems
from aimanga.text import counted
from aimanga.train.grids import Output, Row, pixels_of, write_grid
from aimanga.train.learner import L1
from aimanga.train.reading import RecipeFile
from aimanga.train.recipe import TrainRecipe
from aimanga.train.scores import OWN, canonical, needs_reference
from aimanga.train.sources import Item
from aimanga.train.validation_sets import HELD_OUT, REAL, Example, load_validation_sets
from aimanga.upscale.engine import Engine, NotFiniteError
from aimanga.upscale.precision import choose_precision


@dataclass(frozen=True)
class Validation:
    """The result of a validation.

    Attributes:
        scores: The mean of each score by validation set, `held_out` and `real`, over the pictures that have it.
        grids: The sheets by validation set.
        warnings: The metrics that could not be computed, and why; and artifacts above their limits.
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
        examples = load_validation_sets(file, held_out, scale, degradation)
        try:
            return cls(examples, file.recipe, scale, device)
        except UsageError as error:
            raise UsageError(f"{file.where('validation', 'best')}: {error}") from error

    @staticmethod
    def check(file: RecipeFile) -> None:
        """Check that the metrics of a recipe can run.

        Raises:
            UsageError: There is no such metric, or its weights are missing.
        """
        validation = file.recipe.validation
        problems, known = Problems(), list(OWN)
        where = file.where("validation", "metrics")
        for name in validation.metrics:
            with problems.noting(where):
                metric = find_metric(name)
                known.append(metric.name)
                if reason := missing_weights(metric):
                    problems.add(f"{where}: {reason}")
        if validation.best is not None and canonical(validation.best) not in known:
            where = file.where("validation", "best")
            problems.add(f"{where}: {validation.best} is neither among the metrics nor one of {', '.join(OWN)}")
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
        # Random weights show every artifact: a warning of them would be used up before the training begins.
        is_untrained = self._recipe.model.start == "none" and not self._start
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
            warnings += [] if is_untrained else self._passed_limits(kind, scores[kind])
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
        # A picture without flat areas lacks some of them: that is no problem, and the same at each validation.
        scores |= find_artifacts(pixels_of(example.low).pixels, picture.pixels).values
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

    def _passed_limits(self, kind: str, scores: Mapping[str, float]) -> list[str]:
        """A warning for each artifact above its limit, the first time."""
        warnings = []
        for name, limit in LIMITS.items():
            series = f"{kind} {name}"
            if scores.get(name, 0.0) > limit and series not in self._warned:
                self._warned.add(series)
                warnings.append(f"{series} is {scores[name]:.3g}, above {limit:g}: look at the validation pictures")
        return warnings

    def _deciding(self, wanted: str | None) -> str:
        name = L1 if wanted is None else canonical(wanted)
        candidates = [name]
        if wanted is None and HELD_OUT not in self._examples and False in self._scorers:
            # L1 needs ground truth, and is only the default: the first NR metric replaces it.
            candidates = [found.name for found in self._scorers[False].metrics]
        for candidate in candidates:
            for kind in (REAL, HELD_OUT):
                if any(self._is_fit(example, candidate) for example in self._examples.get(kind, ())):
                    return f"{kind} {candidate}"
        if HELD_OUT not in self._examples and needs_reference(name):
            raise UsageError(f"{name} needs ground truth, which real pictures do not have")
        raise UsageError(f"{name} cannot be computed: all pictures are too small for it, or none has flat areas")

    def _is_fit(self, example: Example, name: str) -> bool:
        """Whether a picture can have a score: it has the ground truth or the flat areas, and is large enough."""
        if needs_reference(name) and example.high is None:
            return False
        if name in OWN:
            return name in (L1, "colour_drift") or bool(flat_blocks((example.low[0] * 255).round(), self._scale).any())
        metric = find_metric(name)
        shorter, longer = sorted(length * self._scale for length in example.low.shape[2:])
        return shorter >= metric.smallest[0] and longer >= metric.smallest[1]


def _upscaled(engine: Engine, example: Example) -> Tensor:
    """The output of `aimanga.upscale` before it is rounded: 1 x 3 x H x W, clipped to [0, 1]."""
    try:
        output = engine.run(example.low).clamp(0, 1)
    except NotFiniteError as error:
        raise NotFiniteError(f"{example.name}: {error}") from error
    is_gray = bool((example.low == example.low[:, :1]).all())
    return output.mean(1, keepdim=True).expand_as(output) if is_gray else output


def _device_name(device: torch.device) -> str:
    return "cpu" if device.type == "mps" else str(device)
