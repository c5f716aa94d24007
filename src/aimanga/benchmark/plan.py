"""What a benchmark is going to do, and all that is wrong with it, before any work."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from aimanga.benchmark.matching import match_results
from aimanga.benchmark.methods import problem_of
from aimanga.benchmark.recipe import AnyMethod, AnySet, BenchmarkRecipe, BuiltSet, FolderSet, MadeElsewhere
from aimanga.errors import AimangaError, UsageError
from aimanga.evaluate import BuildPlan, PictureCases, plan_test_set, read_test_set
from aimanga.images import PictureFile
from aimanga.metrics import available_metrics, find_metric, missing_weights

_SHOWN = 5


@dataclass(frozen=True)
class PlannedSet:
    """A set of a benchmark.

    Attributes:
        recipe: What the recipe says of it.
        source: The set, or how it is to be made.
        scale: The factor.
        metrics: The names of what it is measured by.
    """

    recipe: AnySet
    source: PictureCases | BuildPlan
    scale: int
    metrics: tuple[str, ...]

    @property
    def pictures(self) -> int:
        """How many there are."""
        return len(self.source.cases) if isinstance(self.source, PictureCases) else len(self.source.pairs.jobs)


@dataclass(frozen=True)
class BenchmarkPlan:
    """What a benchmark is going to do.

    Attributes:
        recipe: What was asked for.
        sets: By name, in order.
        baseline: The method that the others are compared with.
        output: The folder of all that is written.
        device: Where metrics run.
        command: What makes it again, for the report.
    """

    recipe: BenchmarkRecipe
    sets: Mapping[str, PlannedSet]
    baseline: str
    output: Path
    device: str
    command: str

    @property
    def missing(self) -> list[str]:
        """Why metrics cannot run, a line each."""
        names = dict.fromkeys(name for planned in self.sets.values() for name in planned.metrics)
        return [reason for name in names if (reason := missing_weights(find_metric(name)))]

    @property
    def results(self) -> int:
        """How many pictures are to be made or looked at, of all methods together."""
        return len(self.recipe.methods) * sum(planned.pictures for planned in self.sets.values())


def plan_benchmark(recipe: BenchmarkRecipe, output: Path, *, device: str = "auto", command: str = "") -> BenchmarkPlan:
    """Find the pictures, and see that methods and metrics can run. Nothing is written.

    Args:
        recipe: What is compared.
        output: The folder for all that is written.
        device: Where metrics run.
        command: What makes it again, for the report.

    Raises:
        UsageError: Something cannot be done; the message names all of it.
    """
    problems = [problem for method in recipe.methods if (problem := _method_problem(method))]
    sets: dict[str, PlannedSet] = {}
    for entry in recipe.sets:
        try:
            source, scale = _source_of(entry, output)
            metrics = _metrics_of(recipe, has_references=_has_references(source))
            sets[entry.name] = PlannedSet(entry, source, scale, metrics)
        except AimangaError as error:
            problems.append(f"{entry.name}: {error}")
            continue
        if isinstance(source, PictureCases):
            problems += [f"{entry.name}: {problem}" for problem in _size_problems(source, scale)]
            problems += [
                problem
                for method in recipe.methods
                if isinstance(method, MadeElsewhere) and (problem := _lacking(method, entry.name, source))
            ]
    problems += _figure_problems(recipe, sets)
    if problems:
        raise UsageError("; ".join(problems))
    return BenchmarkPlan(recipe, sets, recipe.baseline or recipe.methods[0].name, output, device, command)


def elsewhere(method: MadeElsewhere, set_name: str) -> Path:
    """The folder of results that were made elsewhere."""
    return Path(method.results.replace("{set}", set_name)).expanduser()


def _method_problem(method: AnyMethod) -> str | None:
    return None if isinstance(method, MadeElsewhere) else problem_of(method)


def _source_of(entry: AnySet, output: Path) -> tuple[PictureCases | BuildPlan, int]:
    if isinstance(entry, FolderSet):
        found = read_test_set(Path(entry.folder).expanduser(), scale=entry.scale)
        return found, found.scale or entry.scale
    assert isinstance(entry, BuiltSet)
    built = plan_test_set(
        Path(entry.categories).expanduser(), output / "sets" / entry.name,
        count=entry.count, recipe=entry.recipe, crop=entry.crop, seed=entry.seed,
    )  # fmt: skip
    return built, built.pairs.recipe.scale


def _has_references(source: PictureCases | BuildPlan) -> bool:
    return not isinstance(source, PictureCases) or any(case.high for case in source.cases)


def _metrics_of(recipe: BenchmarkRecipe, *, has_references: bool) -> tuple[str, ...]:
    names = recipe.metrics or available_metrics(with_reference=has_references)
    metrics = [find_metric(name) for name in names]
    able = [metric for metric in metrics if has_references or not metric.needs_reference]
    if not able:
        raise UsageError(f"{', '.join(names)}: these compare with true pictures, and there are none")
    reasons = [missing_weights(metric) for metric in able]
    if all(reasons):
        raise UsageError(f"none of its metrics can run: {'; '.join(reasons)}")
    return tuple(metric.name for metric in able)


def _size_problems(source: PictureCases, scale: int) -> list[str]:
    problems = []
    for case in source.cases:
        try:
            low = PictureFile(case.low).header
            high = None if case.high is None else PictureFile(case.high).header
        except (AimangaError, OSError) as error:
            problems.append(str(error))
            continue
        if high is not None and (high.width, high.height) != (low.width * scale, low.height * scale):
            problems.append(
                f"{case.high}: {low.width * scale} x {low.height * scale} was expected, {scale} times {case.low.name}, "
                f"and it is {high.width} x {high.height}"
            )
    return _first(problems)


def _lacking(method: MadeElsewhere, set_name: str, source: PictureCases) -> str | None:
    folder = elsewhere(method, set_name)
    if not folder.is_dir():
        return f"{method.name}: there is no folder {folder}"
    try:
        found = match_results(source.cases, folder)
    except UsageError as error:
        return f"{method.name}: {error}"
    missing = [case.name for case in source.cases if case.name not in found]
    return f"{method.name}: {folder} has no result of {', '.join(_first(missing))}" if missing else None


def _figure_problems(recipe: BenchmarkRecipe, sets: Mapping[str, PlannedSet]) -> list[str]:
    problems = []
    for figure in recipe.figures:
        planned = sets.get(figure.set)
        if planned is None:
            continue  # what is wrong with the set is said already
        if figure.picture not in _names(planned.source):
            problems.append(f"figures: {figure.set} has no picture {figure.picture}")
        elif figure.box is not None and isinstance(planned.source, PictureCases):
            low = next(case.low for case in planned.source.cases if case.name == figure.picture)
            header = PictureFile(low).header
            width, height = header.width * planned.scale, header.height * planned.scale
            if figure.box[0] + figure.box[2] > width or figure.box[1] + figure.box[3] > height:
                box = ", ".join(map(str, figure.box))
                problems.append(f"figures: the box {box} is not within {figure.picture}, {width} x {height}")
        problems += [
            f"figures: {name} is none of the metrics of {figure.set}"
            for name in figure.metrics
            if name not in planned.metrics
        ]
    if recipe.figures and find_spec("matplotlib") is None:
        problems.append("figures need matplotlib: pip install 'aimanga[figures]'")
    return problems


def _names(source: PictureCases | BuildPlan) -> list[str]:
    if isinstance(source, PictureCases):
        return [case.name for case in source.cases]
    folder = source.output / "LR"
    return [job.target.relative_to(folder).with_suffix("").as_posix().replace("/", "_") for job in source.pairs.jobs]


def _first(things: list[str]) -> list[str]:
    more = len(things) - _SHOWN
    return [*things[:_SHOWN], f"and {more} more"] if more > 0 else things
