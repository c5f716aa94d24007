"""The verb: methods x test sets x metrics into tables, a page and figures."""

import time
from dataclasses import replace
from pathlib import Path

from aimanga.batch import Watcher
from aimanga.benchmark.figures import write_figures
from aimanga.benchmark.matching import match_results
from aimanga.benchmark.methods import describe
from aimanga.benchmark.options import BenchmarkOptions
from aimanga.benchmark.page import page_content, write_page
from aimanga.benchmark.plan import BenchmarkPlan, plan_benchmark, result_folder
from aimanga.benchmark.produce import Places, produce_results
from aimanga.benchmark.recipe import AnyMethod, BenchmarkRecipe, ResultFolder
from aimanga.errors import AimangaError
from aimanga.evaluate import (
    PictureCases,
    ScoreOptions,
    read_test_set,
    run_test_set,
)
from aimanga.evaluate.comparison import Comparison, MethodResult, SetResult
from aimanga.evaluate.folders import score_results
from aimanga.evaluate.score import why_missing
from aimanga.evaluate.tables import write_tables
from aimanga.hashing import sha256_of
from aimanga.options import with_options


@with_options
def benchmark(
    recipe: str | Path | BenchmarkRecipe,
    output: str | Path,
    options: BenchmarkOptions = BenchmarkOptions(),
    *,
    watcher: Watcher | None = None,
) -> Comparison:
    """Run methods on test sets, score their results, and compare them: `benchmark("mine.toml", "out/mine")`.

    `output` gets the results, `results.md`, `results.tex`, `scores.csv`, `results.json`, the page `report.html`, and
    figures. What exists and is up to date is not repeated.

    Args:
        recipe: The name of a shipped recipe, a TOML file, or a recipe.
        output: The folder.
        options: How; each option can also be given as a keyword. `jobs` are processes for the scores, as for
            `aimanga.score_files`; `methods` and `sets` do not apply to a recipe that is no name or file.
        watcher: Callbacks for plan and progress; `on_plan` gets a `BenchmarkPlan`.

    Returns:
        Scores and costs; without sets in a dry run. A method that fails, on a picture or at all, does not stop the
        others: `failures` has it.

    Raises:
        UsageError: Something cannot be done; nothing was done.
        KeyboardInterrupt: Ctrl-C; the same call later resumes.
    """
    watcher = watcher or Watcher()
    planned = plan_benchmark(recipe, output, options)
    watcher.on_plan(planned)
    if options.dry_run:
        return Comparison(planned.recipe.title, "", {}, planned.baseline, {}, planned.command, planned.recipe)
    return _run(planned, watcher)


def _run(planned: BenchmarkPlan, watcher: Watcher) -> Comparison:
    begin = time.perf_counter()
    planned.output.mkdir(parents=True, exist_ok=True)
    sources: dict[str, PictureCases] = {}
    for name, entry in planned.sets.items():
        source = entry.source
        if not isinstance(source, PictureCases):
            watcher.on_stage(f"{name}: building the set")
            run_test_set(source, watcher=watcher)
            source = read_test_set(source.output)
        sources[name] = source
    results: dict[str, dict[str, MethodResult]] = {name: {} for name in sources}
    for method in planned.recipe.methods:  # one method after another on all sets: the last model stays loaded
        for name, source in sources.items():
            watcher.on_stage(f"{name}: {method.name}")
            results[name][method.name] = _results_of(method, planned, name, source, watcher)
    sets: dict[str, SetResult] = {}
    for name, source in sources.items():
        options = ScoreOptions(device=planned.options.device, jobs=planned.options.jobs)
        metrics = planned.sets[name].metrics
        high = {case.name: case.high for case in source.cases}
        categories = {case.name: case.category for case in source.cases}
        scored = {}
        for title, result in results[name].items():
            watcher.on_stage(f"{name}: scores of {title}")
            keep = planned.output / "kept" / title / f"{name} scores.jsonl"
            scored[title] = score_results(result, high, metrics, options, keep, watcher)
        inputs = {case.name: sha256_of(case.low) for case in source.cases}
        has_truth = any(high.values())
        sets[name] = SetResult(
            name, categories, has_truth, inputs, metrics, why_missing(metrics), planned.baseline, scored
        )
    watcher.on_stage("writing tables and the page")
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
    method: AnyMethod, planned: BenchmarkPlan, set_name: str, source: PictureCases, watcher: Watcher
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
