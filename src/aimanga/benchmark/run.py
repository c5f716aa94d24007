"""The verb: methods x test sets x metrics into tables, a page and figures."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aimanga.batch import Watcher
from aimanga.benchmark.figures import write_figures
from aimanga.benchmark.findings import Findings, methods_in_words
from aimanga.benchmark.making import Made, Places, make_results
from aimanga.benchmark.matching import match_results
from aimanga.benchmark.page import write_page
from aimanga.benchmark.plan import BenchmarkPlan, PlannedSet, elsewhere, plan_benchmark
from aimanga.benchmark.recipe import AnyMethod, BenchmarkRecipe, MadeElsewhere, load_recipe
from aimanga.benchmark.report import page_of
from aimanga.benchmark.results import BenchmarkReport, MethodResult, SetResult
from aimanga.benchmark.tables import write_tables
from aimanga.errors import AimangaError
from aimanga.evaluate import (
    PictureCases,
    PictureScores,
    ScoreOptions,
    plan_pairs,
    read_test_set,
    run_scores,
    run_test_set,
)

Told = Callable[[str], None]
"""Told what begins, in words."""


def benchmark_methods(
    recipe: str | Path | BenchmarkRecipe,
    output: str | Path,
    *,
    methods: Sequence[str] = (),
    sets: Sequence[str] = (),
    device: str = "auto",
    jobs: int = 1,
    watcher: Watcher | None = None,
) -> BenchmarkReport:
    """Run methods on test sets, score what they make, and compare them.

    `output` gets the results, `results.md`, `results.tex`, `scores.csv`, `benchmark.json`, the page `report.html`, and
    figures. What is there already and would be the same is not made again.

    Args:
        recipe: The name of a shipped recipe, a TOML file, or a recipe.
        output: The folder.
        methods: Only these methods of a recipe that is a name or a file; empty for all.
        sets: Only these of its sets, likewise.
        device: Where metrics run: `auto`, `cpu`, `cuda` or `cuda:N`. Where a model runs its method says.
        jobs: Number of processes for the scores; as for `aimanga.score_files`.
        watcher: Told how it goes on.

    Returns:
        Scores and costs. A method that fails, on a picture or at all, does not stop the others: `failures` has it.

    Raises:
        UsageError: Something cannot be done; nothing was done.
        KeyboardInterrupt: Ctrl-C; the same call later goes on from there.
    """
    found = recipe if isinstance(recipe, BenchmarkRecipe) else load_recipe(recipe, methods, sets)
    command = f"aimanga benchmark {recipe} -o {output}" if isinstance(recipe, str | Path) else ""
    return run_benchmark(
        plan_benchmark(found, Path(output), device=device, command=command), jobs=jobs, watcher=watcher
    )


def run_benchmark(
    planned: BenchmarkPlan, *, jobs: int = 1, watcher: Watcher | None = None, told: Told = lambda what: None
) -> BenchmarkReport:
    """Do what a plan says; arguments and errors as for `benchmark_methods`; `told` hears what begins."""
    begin = time.perf_counter()
    planned.output.mkdir(parents=True, exist_ok=True)
    sources = {}
    for name, entry in planned.sets.items():
        source = entry.source
        if not isinstance(source, PictureCases):
            told(f"{name}: making the set")
            run_test_set(source, jobs=jobs, watcher=watcher)
            source = read_test_set(source.output)
        sources[name] = source
    made: dict[str, dict[str, Made]] = {name: {} for name in sources}
    for method in planned.recipe.methods:  # one after the other on all sets: the last model stays loaded
        for name, source in sources.items():
            told(f"{name}: {method.name}")
            scale = planned.sets[name].scale
            made[name][method.name] = _made(method, name, source, scale, planned.output, watcher)
    sets = {
        name: _scored(planned, name, planned.sets[name], source, made[name], jobs, watcher, told)
        for name, source in sources.items()
    }
    told("writing tables and the page")
    findings = Findings(planned, sets, methods_in_words(planned))
    page = planned.output / "report.html"
    written = write_tables(findings, planned.output)
    write_page(page_of(findings), page)
    figures = write_figures(planned.recipe.figures, sets, planned.output / "figures")
    return BenchmarkReport(sets, (*written, page, *figures), time.perf_counter() - begin)


def _made(
    method: AnyMethod, set_name: str, source: PictureCases, scale: int, output: Path, watcher: Watcher | None
) -> Made:
    cases = {case.name: case for case in source.cases}
    try:
        if isinstance(method, MadeElsewhere):
            folder = elsewhere(method, set_name)
            files = match_results(source.cases, folder, scale, method.name)
            return Made(files, {name: f"{folder} has no result of it" for name in cases if name not in files}, {})
        places = Places(
            output / "results" / method.name / set_name,
            output / "kept" / method.name / f"{set_name} results.jsonl",
            output / "logs" / method.name / set_name,
            output / "work" / method.name / set_name,
        )
        return make_results(method, cases, scale, places, watcher=watcher)
    except AimangaError as error:
        return Made({}, dict.fromkeys(cases, str(error)), {})


def _scored(
    planned: BenchmarkPlan,
    name: str,
    entry: PlannedSet,
    source: PictureCases,
    made: Mapping[str, Made],
    jobs: int,
    watcher: Watcher | None,
    told: Told,
) -> SetResult:
    high = {case.name: case.high for case in source.cases}
    options = ScoreOptions(entry.metrics, device=planned.device)
    methods = {}
    asked = plan_pairs({}, options)
    for method, found in made.items():
        told(f"{name}: scores of {method}")
        scores: Mapping[str, PictureScores] = {}
        if found.files:
            names = {path: case for case, path in found.files.items()}
            pairs = {path: high[case] for path, case in names.items()}
            keep = planned.output / "kept" / method / f"{name} scores.jsonl"
            keep.parent.mkdir(parents=True, exist_ok=True)
            report = run_scores(plan_pairs(pairs, options), jobs=jobs, keep=keep, watcher=watcher)
            scores = {names[picture.file]: picture for picture in report.pictures}
        methods[method] = MethodResult(found.files, found.problems, found.costs, scores)
    return SetResult(name, source, asked.metrics, asked.missing, planned.baseline, methods)
