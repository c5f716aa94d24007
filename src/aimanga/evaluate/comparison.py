"""Methods compared: scores and costs on test sets, over the same pictures."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean

from aimanga.config import Config
from aimanga.evaluate.columns import Column, Mean
from aimanga.evaluate.score import PictureScores
from aimanga.evaluate.statistics import FEWEST_PAIRS, holm, mean_interval, paired_p
from aimanga.metrics import Metric
from aimanga.text import counted, listed


@dataclass(frozen=True)
class Cost:
    """What it cost to produce a result.

    Attributes:
        seconds: Wall time; None if it was not measured.
        megapixels: Size of the result.
        memory: Peak memory in bytes; None if it was not measured.
    """

    seconds: float | None
    megapixels: float
    memory: int | None


@dataclass(frozen=True)
class MethodResult:
    """The results of a method on a set; all mappings are by the names of the pictures.

    Attributes:
        files: The results.
        problems: Why a picture has none.
        costs: Empty for results of unknown origin.
        scores: Empty until they are scored.
    """

    files: Mapping[str, Path]
    problems: Mapping[str, str] = field(default_factory=dict)
    costs: Mapping[str, Cost] = field(default_factory=dict)
    scores: Mapping[str, PictureScores] = field(default_factory=dict)

    def problems_of(self, picture: str) -> list[str]:
        """Why a picture lacks its result or some of its scores."""
        problems = [self.problems[picture]] if picture in self.problems else []
        scores = self.scores.get(picture)
        if scores is not None:
            problems += [*([scores.error] if scores.error else []), *scores.problems.values()]
        return list(dict.fromkeys(problems))

    def scores_of(self, picture: str) -> dict[str, float]:
        """The scores of a picture by metric, without those that are not a number."""
        values = self.scores[picture].values if picture in self.scores else {}
        return {metric: value for metric, value in values.items() if not math.isnan(value)}

    @property
    def seconds_per_megapixel(self) -> float | None:
        """Over all results whose time was measured; megapixels of the result."""
        timed = [(cost.seconds, cost.megapixels) for cost in self.costs.values() if cost.seconds is not None]
        return sum(seconds for seconds, _ in timed) / sum(size for _, size in timed) if timed else None

    @property
    def memory(self) -> int | None:
        """Peak memory over all pictures, in bytes."""
        return max((cost.memory for cost in self.costs.values() if cost.memory is not None), default=None)


@dataclass(frozen=True)
class SetResult:
    """All methods on a set.

    Attributes:
        name: The name of the set.
        categories: The categories of its pictures, by their names; None for a picture without one.
        has_truth: True if there is ground truth.
        inputs: The SHA-256 of the LR pictures, by name; empty if only results are known.
        metrics: The requested metrics, those without weights among them.
        missing: Why a metric could not run, by its name.
        baseline: The method that the others are compared with.
        methods: By name, in order.
    """

    name: str
    categories: Mapping[str, str | None]
    has_truth: bool
    inputs: Mapping[str, str]
    metrics: tuple[Metric, ...]
    missing: Mapping[str, str]
    baseline: str
    methods: Mapping[str, MethodResult]

    @cached_property
    def common(self) -> tuple[str, ...]:
        """The pictures that means are taken over: those for which all methods have results.

        A method without any result is left out of account.
        """
        able = [method.files for method in self.methods.values() if method.files]
        return tuple(name for name in self.categories if able and all(name in files for files in able))

    @property
    def measured(self) -> tuple[Metric, ...]:
        """The metrics that could run."""
        return tuple(metric for metric in self.metrics if metric.name not in self.missing)

    def values(self, method: str, metric: str) -> dict[str, float]:
        """The scores of a method on the common pictures."""
        scores = {name: self.methods[method].scores_of(name) for name in self.common}
        return {name: values[metric] for name, values in scores.items() if metric in values}

    def mean(self, method: str, metric: str) -> float | None:
        """The mean of a method over the common pictures."""
        values = self.values(method, metric)
        return fmean(values.values()) if values else None

    def files_of(self, picture: str) -> dict[str, Path]:
        """The results for a picture, by method."""
        return {name: method.files[picture] for name, method in self.methods.items() if picture in method.files}

    @cached_property
    def significance(self) -> Mapping[tuple[str, str], float]:
        """The p value of the difference to the baseline, by method and metric; all of the set are Holm-corrected."""
        found = {}
        for metric in self.measured:
            theirs = self.values(self.baseline, metric.name)
            for method in (name for name in self.methods if name != self.baseline):
                mine = self.values(method, metric.name)
                both = [name for name in mine if name in theirs]
                p = paired_p([mine[name] for name in both], [theirs[name] for name in both])
                if p is not None:
                    found[method, metric.name] = p
        return holm(found)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The measures of the set: metrics, and costs where they are known."""
        columns = []
        for metric in self.measured:
            means = {}
            for method in self.methods:
                values = tuple(self.values(method, metric.name).values())
                if values:
                    p = self.significance.get((method, metric.name))
                    means[method] = Mean(fmean(values), len(values), mean_interval(values), p)
            about = f"{metric.protocol} ({metric.source})"
            columns.append(Column(metric.name, metric.title, metric.better, means, about=about))
        times = {name: method.seconds_per_megapixel for name, method in self.methods.items()}
        memory = {name: method.memory for name, method in self.methods.items()}
        in_mib = {name: None if value is None else value / 2**20 for name, value in memory.items()}
        for name, title, digits, about, costs in (
            ("seconds", "s/MP", 2, "seconds per megapixel of the result, with reading and writing; models are loaded "
             "before, the start of a program is in its time", times),
            ("memory", "MiB", 0, "peak memory of the process and its children", in_mib),
        ):  # fmt: skip
            known = {
                method: Mean(value, len(self.methods[method].costs))
                for method, value in costs.items()
                if value is not None
            }
            if known:
                columns.append(Column(name, title, "lower", known, digits, about))
        return tuple(columns)

    @property
    def about(self) -> str:
        """The set in words."""
        text = f"{counted(len(self.categories), 'picture')} {'with' if self.has_truth else 'without'} ground truth"
        if len(self.common) < len(self.categories):
            text += f", means over the {len(self.common)} for which all methods have results"
        if len(self.methods) > 1 and len(self.common) < FEWEST_PAIRS:
            text += ", too few to test differences"
        return text

    @property
    def failures(self) -> list[str]:
        """A line for each missing metric, and for each method and problem, with the pictures."""
        lines = [f"{self.name}: {reason}" for reason in self.missing.values()]
        for name, method in self.methods.items():
            pictures: dict[str, list[str]] = {}
            for picture in self.categories:
                for problem in method.problems_of(picture):
                    pictures.setdefault(problem, []).append(picture)
            lines += [f"{self.name}, {name}, {listed(names, 3)}: {problem}" for problem, names in pictures.items()]
        return lines


@dataclass(frozen=True)
class Comparison:
    """Methods compared on test sets: the result of `evaluate` and of `benchmark`.

    Attributes:
        title: Its title.
        description: What is compared; may be empty.
        methods: Descriptions of the methods, by name.
        baseline: The method that the others are compared with.
        sets: By name, in order.
        command: The command line that repeats it.
        recipe: The recipe of a benchmark; None for folders.
        written: Tables, page and figures.
        seconds: Wall time.
    """

    title: str
    description: str
    methods: Mapping[str, str]
    baseline: str
    sets: Mapping[str, SetResult]
    command: str
    recipe: Config | None = None
    written: tuple[Path, ...] = ()
    seconds: float = 0.0

    @property
    def protocols(self) -> dict[str, str]:
        """How each metric and cost is measured, by its title."""
        metrics = {metric.title: metric for found in self.sets.values() for metric in found.metrics}
        protocols = {title: f"{metric.protocol} ({metric.source})" for title, metric in metrics.items()}
        return protocols | {column.title: column.about for found in self.sets.values() for column in found.columns}

    @property
    def failures(self) -> list[str]:
        """All that went wrong, a line each."""
        return [line for found in self.sets.values() for line in found.failures]

    @property
    def exit_code(self) -> int:
        """0: every method has every score on every picture; 1: some are missing."""
        return 1 if self.failures else 0
