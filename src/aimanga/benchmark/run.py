"""The verb: methods x test sets x metrics into tables, a page and figures."""

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from aimanga.batch import Watcher
from aimanga.benchmark.figures import write_figures
from aimanga.benchmark.matching import match_results
from aimanga.benchmark.methods import describe
from aimanga.benchmark.page import page_content, write_page
from aimanga.benchmark.plan import BenchmarkPlan, plan_benchmark, result_folder
from aimanga.benchmark.produce import Places, produce_results
from aimanga.benchmark.recipe import AnyMethod, BenchmarkRecipe, ResultFolder, load_recipe
from aimanga.errors import AimangaError
from aimanga.evaluate import (
    PictureCases,
    ScoreOptions,
    read_test_set,
    requested_metrics,
    run_test_set,
)
from aimanga.evaluate.comparison import Comparison, MethodResult, SetResult
from aimanga.evaluate.folders import score_results
from aimanga.evaluate.tables import write_tables
from aimanga.hashing import sha256_of

Announce = Callable[[str], None]
"""Called with what begins, in words."""


def benchmark_methods(
    recipe: str | Path | BenchmarkRecipe,
    output: str | Path,
    *,
    methods: Sequence[str] = (),
    sets: Sequence[str] = (),
    device: str = "auto",
    jobs: int = 1,
    watcher: Watcher | None = None,
) -> Comparison:
    """Run methods on test sets, score their results, and compare them.

    `output` gets the results, `results.md`, `results.tex`, `scores.csv`, `results.json`, the page `report.html`, and
    figures. What exists and is up to date is not repeated.

    Args:
        recipe: The name of a shipped recipe, a TOML file, or a recipe.
        output: The folder.
        methods: Only these methods of a recipe that is a name or a file; empty for all.
        sets: Only these of its sets, likewise.
        device: Where metrics run: `auto`, `cpu`, `cuda` or `cuda:N`. Methods have a device of their own.
        jobs: Number of processes for the scores; as for `aimanga.score_files`.
        watcher: Notified of the progress.

    Returns:
        Scores and costs. A method that fails, on a picture or at all, does not stop the others: `failures` has it.

    Raises:
        UsageError: Something cannot be done; nothing was done.
        KeyboardInterrupt: Ctrl-C; the same call later continues.
    """
    found = recipe if isinstance(recipe, BenchmarkRecipe) else load_recipe(recipe, methods, sets)
    command = ""
    if not isinstance(recipe, BenchmarkRecipe):
        chosen = (("--methods", methods), ("--sets", sets))
        options = [part for option, names in chosen if names for part in (option, ", ".join(names))]
        command = shlex.join(["aimanga", "benchmark", str(recipe), "-o", str(output), *options])
    return run_benchmark(
        plan_benchmark(found, Path(output), device=device, command=command), jobs=jobs, watcher=watcher
    )


def run_benchmark(
    planned: BenchmarkPlan, *, jobs: int = 1, watcher: Watcher | None = None, announce: Announce = lambda what: None
) -> Comparison:
    """Run a plan; arguments and errors as for `benchmark_methods`.

    Args:
        planned: The plan.
        jobs: Number of processes for the scores.
        watcher: Notified of the progress.
        announce: Called with what begins.
    """
    begin = time.perf_counter()
    planned.output.mkdir(parents=True, exist_ok=True)
    sources: dict[str, PictureCases] = {}
    for name, entry in planned.sets.items():
        source = entry.source
        if not isinstance(source, PictureCases):
            announce(f"{name}: building the set")
            run_test_set(source, jobs=jobs, watcher=watcher)
            source = read_test_set(source.output)
        sources[name] = source
    results: dict[str, dict[str, MethodResult]] = {name: {} for name in sources}
    for method in planned.recipe.methods:  # one method after another on all sets: the last model stays loaded
        for name, source in sources.items():
            announce(f"{name}: {method.name}")
            results[name][method.name] = _results_of(method, planned, name, source, watcher)
    sets: dict[str, SetResult] = {}
    for name, source in sources.items():
        options = ScoreOptions(planned.sets[name].metrics, device=planned.device)
        high = {case.name: case.high for case in source.cases}
        scored = {}
        for title, result in results[name].items():
            announce(f"{name}: scores of {title}")
            keep = planned.output / "kept" / title / f"{name} scores.jsonl"
            scored[title] = score_results(result, high, options, keep, jobs=jobs, watcher=watcher)
        metrics, missing = requested_metrics(options.metrics)
        sets[name] = SetResult(
            name,
            {case.name: case.category for case in source.cases},
            any(high.values()),
            {case.name: sha256_of(case.low) for case in source.cases},
            metrics,
            missing,
            planned.baseline,
            scored,
        )
    announce("writing tables and the page")
    recipe = planned.recipe
    methods = {method.name: _describe(method) for method in recipe.methods}
    report = Comparison(
        recipe.title, recipe.description.strip(), methods, planned.baseline, sets, planned.command, recipe
    )
    page = planned.output / "report.html"
    written = write_tables(report, planned.output)
    write_page(page_content(report, sources, recipe.page_pictures), page)
    figures = write_figures(recipe.figures, sets, sources, planned.output / "figures")
    return replace(report, written=(*written, page, *figures), seconds=time.perf_counter() - begin)


def _results_of(
    method: AnyMethod, planned: BenchmarkPlan, set_name: str, source: PictureCases, watcher: Watcher | None
) -> MethodResult:
    cases = {case.name: case for case in source.cases}
    scale, output = planned.sets[set_name].scale, planned.output
    try:
        if isinstance(method, ResultFolder):
            folder = result_folder(method, set_name)
            files = match_results(source.cases, folder, scale, method.name)
            return MethodResult(files, {name: f"{folder} has no result of it" for name in cases if name not in files})
        places = Places(
            output / "results" / method.name / set_name,
            output / "kept" / method.name / f"{set_name} results.jsonl",
            output / "logs" / method.name / set_name,
            output / "work" / method.name / set_name,
        )
        return produce_results(method, cases, scale, places, watcher=watcher)
    except AimangaError as error:
        return MethodResult({}, dict.fromkeys(cases, str(error)))


def _describe(method: AnyMethod) -> str:
    return f"results of {method.results}" if isinstance(method, ResultFolder) else describe(method)
