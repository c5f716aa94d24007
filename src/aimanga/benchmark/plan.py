"""Plan a benchmark: find the pictures, and all problems, before any work."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from aimanga.benchmark.matching import match_results
from aimanga.benchmark.methods import check_method
from aimanga.benchmark.options import BenchmarkOptions
from aimanga.benchmark.recipe import AnySet, BenchmarkRecipe, BuiltSet, Figure, FolderSet, ResultFolder, load_recipe
from aimanga.errors import AimangaError, UsageError
from aimanga.evaluate import BuildOptions, BuildPlan, PictureCases, plan_test_set, read_test_set
from aimanga.evaluate.score import why_missing
from aimanga.images import PictureFile
from aimanga.metrics import Metric, available_metrics, find_metric
from aimanga.options import as_flags
from aimanga.problems import Problems
from aimanga.text import listed


@dataclass(frozen=True)
class PlannedSet:
    """A set of a benchmark.

    Attributes:
        recipe: Its entry in the recipe.
        source: The set, or the plan to build it.
        scale: The scale.
        metrics: Its metrics.
    """

    recipe: AnySet
    source: PictureCases | BuildPlan
    scale: int
    metrics: tuple[Metric, ...]

    @property
    def pictures(self) -> int:
        """The number of pictures."""
        return len(self.source.cases) if isinstance(self.source, PictureCases) else len(self.source.pairs.jobs)


@dataclass(frozen=True)
class BenchmarkPlan:
    """What a benchmark is going to do.

    Attributes:
        recipe: The recipe.
        sets: By name, in order.
        baseline: The method that the others are compared with.
        output: The folder for everything.
        options: The options.
        command: The command line that repeats it.
    """

    recipe: BenchmarkRecipe
    sets: Mapping[str, PlannedSet]
    baseline: str
    output: Path
    options: BenchmarkOptions
    command: str

    @property
    def missing(self) -> list[str]:
        """Why metrics cannot run, a line each."""
        return list(why_missing(metric for planned in self.sets.values() for metric in planned.metrics).values())


def plan_benchmark(
    recipe: str | Path | BenchmarkRecipe, output: str | Path, options: BenchmarkOptions
) -> BenchmarkPlan:
    """Find the pictures, and see that methods and metrics can run; arguments as for `benchmark`. Nothing is written.

    Raises:
        UsageError: Something cannot be done; the message names all of it.
    """
    output, command = Path(output), ""
    if not isinstance(recipe, BenchmarkRecipe):
        command = shlex.join(["aimanga", "benchmark", str(recipe), "-o", str(output), *as_flags(options)])
        recipe = load_recipe(recipe, options.methods, options.sets)
    problems = Problems()
    for method in recipe.methods:
        if not isinstance(method, ResultFolder):
            with problems.noting(method.name):
                check_method(method)
    sets: dict[str, PlannedSet] = {}
    for entry in recipe.sets:
        with problems.noting(entry.name):
            source, scale = _source_of(entry, output, options)
            metrics = metrics_of(recipe.metrics, has_references=_has_references(source))
            planned = sets[entry.name] = PlannedSet(entry, source, scale, metrics)
            if isinstance(source, PictureCases):
                check_sizes(source, scale)
        for method in recipe.methods:
            if isinstance(method, ResultFolder) and entry.name in sets and isinstance(source, PictureCases):
                with problems.noting(method.name):
                    _check_results(method, entry.name, source, planned.scale)
    for figure in recipe.figures:
        if figure.set in sets:
            with problems.noting("figures"):
                _check_figure(figure, sets[figure.set])
    if recipe.figures and find_spec("matplotlib") is None:
        problems.add("figures need matplotlib: pip install 'aimanga[figures]'")
    problems.refuse()
    return BenchmarkPlan(recipe, sets, recipe.baseline or recipe.methods[0].name, output, options, command)


def result_folder(method: ResultFolder, set_name: str) -> Path:
    """The folder of a method's results on a set."""
    return Path(method.results.replace("{set}", set_name)).expanduser()


def _source_of(entry: AnySet, output: Path, options: BenchmarkOptions) -> tuple[PictureCases | BuildPlan, int]:
    if isinstance(entry, FolderSet):
        found = read_test_set(Path(entry.folder).expanduser(), scale=entry.scale)
        return found, found.scale or entry.scale
    assert isinstance(entry, BuiltSet)
    built = plan_test_set(
        Path(entry.categories).expanduser(), output / "sets" / entry.name,
        BuildOptions(
            count=entry.count, recipe=entry.recipe, crop=entry.crop, seed=entry.seed, jobs=options.jobs
        ),
    )  # fmt: skip
    return built, built.pairs.recipe.scale


def _has_references(source: PictureCases | BuildPlan) -> bool:
    return not isinstance(source, PictureCases) or any(case.high for case in source.cases)


def metrics_of(names: Sequence[str], *, has_references: bool) -> tuple[Metric, ...]:
    """The metrics of a set; FR metrics are left out where there is no ground truth.

    Args:
        names: Their names; empty for all whose weights are present.
        has_references: Whether there is ground truth.

    Raises:
        UsageError: A metric is unknown, or none of them can run.
    """
    names = names or available_metrics(with_reference=has_references)
    metrics = [find_metric(name) for name in names]
    able = [metric for metric in metrics if has_references or not metric.needs_reference]
    if not able:
        raise UsageError(f"{', '.join(names)}: FR metrics need ground truth, and this set has none")
    missing = why_missing(able)
    if len(missing) == len(able):
        raise UsageError(f"none of its metrics can run: {'; '.join(missing.values())}")
    return tuple(able)


def check_sizes(source: PictureCases, scale: int) -> None:
    """See that all pictures of a set can be read, and that HR is `scale` times as large as LR.

    Raises:
        UsageError: Some cannot, or are not; the message names them.
    """
    problems = Problems(most=5)
    for case in source.cases:
        with problems.noting(kinds=(AimangaError, OSError)):
            low = PictureFile(case.low).header
            high = None if case.high is None else PictureFile(case.high).header
            if high is not None and (high.width, high.height) != (low.width * scale, low.height * scale):
                problems.add(
                    f"{case.high}: {high.width} x {high.height}, but {scale} times {case.low.name} is "
                    f"{low.width * scale} x {low.height * scale}"
                )
    problems.refuse()


def _check_results(method: ResultFolder, set_name: str, source: PictureCases, scale: int) -> None:
    folder = result_folder(method, set_name)
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    found = match_results(source.cases, folder, scale, method.name)
    missing = [case.name for case in source.cases if case.name not in found]
    if missing:
        raise UsageError(f"{folder} has no result of {listed(missing)}")


def _check_figure(figure: Figure, planned: PlannedSet) -> None:
    problems = Problems()
    if figure.picture not in _names(planned.source):
        problems.add(f"{figure.set} has no picture {figure.picture}")
    elif figure.box is not None and isinstance(planned.source, PictureCases):
        low = next(case.low for case in planned.source.cases if case.name == figure.picture)
        header = PictureFile(low).header
        width, height = header.width * planned.scale, header.height * planned.scale
        if figure.box[0] + figure.box[2] > width or figure.box[1] + figure.box[3] > height:
            box = ", ".join(map(str, figure.box))
            problems.add(f"the box {box} is not within {figure.picture}, {width} x {height}")
    for name in set(figure.metrics) - {metric.name for metric in planned.metrics}:
        problems.add(f"{name} is none of the metrics of {figure.set}")
    problems.refuse()


def _names(source: PictureCases | BuildPlan) -> list[str]:
    if isinstance(source, PictureCases):
        return [case.name for case in source.cases]
    folder = source.output / "LR"
    return [job.target.relative_to(folder).with_suffix("").as_posix().replace("/", "_") for job in source.pairs.jobs]
