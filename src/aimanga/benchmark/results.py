"""What a benchmark has found: scores and costs of all methods on a set, over the pictures that all have made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean

from aimanga.benchmark.making import Cost
from aimanga.evaluate import Case, PictureCases, PictureScores
from aimanga.evaluate.columns import Column
from aimanga.evaluate.statistics import FEWEST_PAIRS, Interval, holm, mean_interval, paired_p
from aimanga.metrics import Metric

SIGNIFICANT = 0.05

_NAMED = 3


@dataclass(frozen=True)
class MethodResult:
    """A method on a set.

    Attributes:
        files: Results, by the names of the pictures.
        problems: Why a picture has none, by its name.
        costs: By the names of the pictures; empty for results that were made elsewhere.
        scores: By the names of the pictures.
    """

    files: Mapping[str, Path]
    problems: Mapping[str, str]
    costs: Mapping[str, Cost]
    scores: Mapping[str, PictureScores]

    def problems_of(self, case: str) -> list[str]:
        """Why a picture has no result, or not all scores."""
        told = [self.problems[case]] if case in self.problems else []
        scores = self.scores.get(case)
        if scores is not None:
            told += [*([scores.error] if scores.error else []), *scores.problems.values()]
        return told

    @property
    def seconds_per_megapixel(self) -> float | None:
        """Over all results whose time was seen, of the result's megapixels."""
        timed = [cost for cost in self.costs.values() if cost.seconds is not None]
        return sum(cost.seconds or 0 for cost in timed) / sum(cost.megapixels for cost in timed) if timed else None

    @property
    def memory(self) -> int | None:
        """The most memory that a picture took, in bytes."""
        return max((cost.memory for cost in self.costs.values() if cost.memory is not None), default=None)


@dataclass(frozen=True)
class Expense:
    """What methods cost, as a measure by which they are compared.

    Attributes:
        name: Its name.
        title: What it is called in tables.
        digits: So many are shown behind the point.
        about: What it is.
        value: That of a method on a set; None where it is not known.
    """

    name: str
    title: str
    digits: int
    about: str
    value: Callable[[MethodResult], float | None]


EXPENSES = (
    Expense(
        "seconds",
        "s/MP",
        2,
        "seconds a megapixel of the result, files read and written, models loaded before; a program's own start is in "
        "its time",
        lambda result: result.seconds_per_megapixel,
    ),
    Expense(
        "memory",
        "MiB",
        0,
        "the most memory that the program had in use",
        lambda result: None if result.memory is None else result.memory / 2**20,
    ),
)


@dataclass(frozen=True)
class SetResult:
    """All methods on a set.

    Attributes:
        name: The name of the set.
        source: How it lies on the disk.
        metrics: By what it was measured, those without weights among them.
        missing: Why a metric could not run, by its name.
        baseline: The method that the others are compared with.
        methods: By name, in order.
    """

    name: str
    source: PictureCases
    metrics: tuple[Metric, ...]
    missing: Mapping[str, str]
    baseline: str
    methods: Mapping[str, MethodResult]

    @property
    def cases(self) -> Mapping[str, Case]:
        """The pictures, by name."""
        return {case.name: case for case in self.source.cases}

    @cached_property
    def common(self) -> tuple[str, ...]:
        """The pictures over which means are taken: those that every method has made, but for methods that have none."""
        able = [set(method.files) for method in self.methods.values() if method.files]
        return tuple(name for name in self.cases if able and all(name in files for files in able))

    @property
    def measured(self) -> tuple[Metric, ...]:
        """The metrics that could run."""
        return tuple(metric for metric in self.metrics if metric.name not in self.missing)

    def values(self, method: str, metric: str) -> dict[str, float]:
        """The scores of a method, of those of the common pictures that have one."""
        scores = self.methods[method].scores
        values = {name: scores[name].values.get(metric) for name in self.common if name in scores}
        return {name: value for name, value in values.items() if value is not None}

    def mean(self, method: str, metric: str) -> float | None:
        """The mean of a method."""
        values = self.values(method, metric)
        return fmean(values.values()) if values else None

    def interval(self, method: str, metric: str) -> Interval | None:
        """Where the mean over all pictures of the kind lies."""
        return self._intervals[method, metric]

    @cached_property
    def _intervals(self) -> Mapping[tuple[str, str], Interval | None]:
        return {
            (method, metric.name): mean_interval(tuple(self.values(method, metric.name).values()))
            for method in self.methods
            for metric in self.measured
        }

    @property
    def too_few(self) -> bool:
        """Whether there are methods to compare, and not pictures enough to tell a difference from chance."""
        return len(self.methods) > 1 and len(self.common) < FEWEST_PAIRS

    def files_of(self, case: str) -> dict[str, Path]:
        """What methods have made of a picture, by their names."""
        return {name: method.files[case] for name, method in self.methods.items() if case in method.files}

    @cached_property
    def significance(self) -> Mapping[tuple[str, str], float]:
        """By method and metric how probable it is that it differs so much from the baseline by chance.

        All comparisons on the set are corrected for their number.
        """
        found = {}
        for metric in self.measured:
            theirs = self.values(self.baseline, metric.name)
            for method in self.methods:
                if method == self.baseline:
                    continue
                mine = self.values(method, metric.name)
                both = [name for name in mine if name in theirs]
                p = paired_p([mine[name] for name in both], [theirs[name] for name in both])
                if p is not None:
                    found[method, metric.name] = p
        return holm(found)

    def columns(self) -> list[Column]:
        """All measures of the set for a table: metrics, and what the methods cost."""
        columns = []
        for metric in self.measured:
            means = {name: mean for name in self.methods if (mean := self.mean(name, metric.name)) is not None}
            marks = {name: "*" for name in means if self.significance.get((name, metric.name), 1) < SIGNIFICANT}
            columns.append(Column(metric.title, metric.better, means, 3, marks))
        for expense in EXPENSES:
            values = self.expenses(expense)
            if values:
                columns.append(Column(expense.title, "lower", values, expense.digits))
        return columns

    def expenses(self, expense: Expense) -> dict[str, float]:
        """What the methods cost, of those of which it is known."""
        return {name: value for name, method in self.methods.items() if (value := expense.value(method)) is not None}

    @property
    def failures(self) -> list[str]:
        """All that went wrong: a line for each method and reason, with the pictures."""
        lines = [f"{self.name}: {reason}" for reason in self.missing.values()]
        for name, method in self.methods.items():
            pictures: dict[str, list[str]] = {}
            for case in self.cases:
                for problem in method.problems_of(case):
                    pictures.setdefault(problem, []).append(case)
            lines += [f"{self.name}, {name}, {_first(cases)}: {problem}" for problem, cases in pictures.items()]
        return lines


def failures_of(sets: Mapping[str, SetResult]) -> list[str]:
    """All that went wrong on sets, a line each."""
    return [line for found in sets.values() for line in found.failures]


def _first(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True)
class BenchmarkReport:
    """The result of a benchmark.

    Attributes:
        sets: By name, in order.
        written: Tables, page and figures.
        seconds: How long it took.
    """

    sets: Mapping[str, SetResult]
    written: tuple[Path, ...]
    seconds: float

    @property
    def failures(self) -> list[str]:
        """All that went wrong, a line each."""
        return failures_of(self.sets)

    @property
    def exit_code(self) -> int:
        """0: every method has every score on every picture; 1: something is missing, and said."""
        return 1 if self.failures else 0
