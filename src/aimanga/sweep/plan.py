"""Plan a sweep: the mixtures on the line, the pictures, and all problems before any work."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aimanga.benchmark.plan import check_sizes, metrics_of
from aimanga.device import choose_device
from aimanga.errors import UsageError
from aimanga.evaluate import PictureCases, read_test_set
from aimanga.metrics import Metric
from aimanga.models.mix import Mixture, Parts, load_mixture, parsed_parts
from aimanga.options import as_flags
from aimanga.problems import Problems
from aimanga.sweep.options import SweepOptions
from aimanga.upscale.precision import choose_precision


@dataclass(frozen=True)
class Point:
    """A mixture on the line.

    Attributes:
        t: Where it is: 0 is the first model alone, 1 the mixture that was asked for.
        mixture: The models with their factors.
    """

    t: float
    mixture: Mixture

    @property
    def name(self) -> str:
        """Its name in tables and of its folder: `t=0.25`."""
        return f"t={self.t:.3g}"

    @property
    def title(self) -> str:
        """The mixture in words; a model alone is called by its name."""
        alone = [model.name for model, factor in zip(self.mixture.models, self.mixture.factors, strict=True) if factor]
        return alone[0] if len(alone) == 1 and 1 in self.mixture.factors else self.mixture.text

    @property
    def command(self) -> str:
        """The command line that writes its weights."""
        return shlex.join(["aimanga", "models", "mix", "-o", "mixed.safetensors", *self.mixture.arguments])


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep is going to do.

    Attributes:
        mixture: The mixture at the end of the line.
        points: The mixtures on the line, in order.
        source: The pictures.
        scale: The scale.
        metrics: The metrics.
        output: The folder for everything.
        options: The options.
        command: The command line that repeats it.
    """

    mixture: Mixture
    points: tuple[Point, ...]
    source: PictureCases
    scale: int
    metrics: tuple[Metric, ...]
    output: Path
    options: SweepOptions
    command: str


def plan_sweep(pictures: str | Path, parts: Parts, output: str | Path, options: SweepOptions) -> SweepPlan:
    """Load the models and find the pictures; arguments as for `sweep`. Nothing is written.

    Raises:
        UsageError: Something cannot be done; the message names all of it.
    """
    problems = Problems()
    with problems.noting():
        choose_precision(options.precision, choose_device(options.device))
    if Path(output).exists() and not Path(output).is_dir():
        problems.add(f"{output}: this is a file; the results of a sweep go into a folder")
    pairs = parsed_parts(parts, problems)
    if len(pairs) == 1 and not problems:
        problems.add("a line has two ends: name two models or more, such as first.pth=0 second.pth=1")
    if not Path(pictures).is_dir():
        problems.add(f"{pictures}: there is no such folder")
    mixture = load_mixture(pairs, problems)
    points = tuple(points_of(mixture, options.steps))
    if points[0].mixture.factors == points[-1].mixture.factors:
        raise UsageError(f"both ends of the line are {mixture.text}: give another model a factor")
    scale = mixture.models[0].scale
    source = read_test_set(pictures, scale=scale)
    scale = source.scale or scale
    with problems.noting():
        metrics = metrics_of(options.metrics, has_references=any(case.high for case in source.cases))
    with problems.noting():
        check_sizes(source, scale)
    problems.refuse()
    named = (f"{model.name}={factor:.12g}" for model, factor in zip(mixture.models, mixture.factors, strict=True))
    command = ["aimanga", "models", "sweep", str(pictures), *named, "-o", str(output), *as_flags(options)]
    return SweepPlan(mixture, points, source, scale, metrics, Path(output), options, shlex.join(command))


def points_of(mixture: Mixture, steps: int) -> Iterator[Point]:
    """The mixtures (1 - t) first + t mixture, where `first` is the first model alone; t runs from 0 to 1.

    Factors have twelve digits, as in `Point.command`.
    """
    start = [1.0, *(0.0 for _ in mixture.models[1:])]
    for step in range(steps):
        t = step / (steps - 1)
        factors = [
            float(f"{(1 - t) * here + t * there:.12g}") for here, there in zip(start, mixture.factors, strict=True)
        ]
        yield Point(t, mixture.with_factors(factors))
