"""The verb `evaluate`: folders of results of several methods, compared as a benchmark on one set."""

import os
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from aimanga.batch import Paths, Watcher, as_paths, find
from aimanga.evaluate.comparison import Comparison, MethodResult, SetResult
from aimanga.evaluate.layouts import unique_names
from aimanga.evaluate.options import EvaluateOptions, ScoreOptions
from aimanga.evaluate.references import find_references
from aimanga.evaluate.score import ScorePlan, find_metrics, run_scores, why_missing
from aimanga.evaluate.tables import write_tables
from aimanga.images import READABLE_SUFFIXES
from aimanga.metrics import Metric
from aimanga.options import as_flags, with_options
from aimanga.pairing import hr_name, lr_name, pair
from aimanga.problems import Problems
from aimanga.text import listed


@dataclass(frozen=True)
class EvaluationPlan:
    """What `evaluate` is going to do.

    Attributes:
        folders: The folder of each method, by its name.
        files: The results of each method, by the names of the pictures.
        high: Ground truth by the names of the pictures; None where there is none.
        metrics: The metrics.
        output: The folder for the tables.
        options: The options.
    """

    folders: Mapping[str, Path]
    files: Mapping[str, Mapping[str, Path]]
    high: Mapping[str, Path | None]
    metrics: tuple[Metric, ...]
    output: Path
    options: EvaluateOptions

    @property
    def pictures(self) -> int:
        """The number of results of all methods together."""
        return sum(map(len, self.files.values()))


@with_options
def evaluate(
    results: Paths,
    output: str | Path,
    options: EvaluateOptions = EvaluateOptions(),
    *,
    watcher: Watcher | None = None,
) -> Comparison:
    """Compare the results of several methods: `evaluate(["out/a", "out/b"], "tables", reference="HR")`.

    `output` gets `results.md`, `results.tex`, `scores.csv` and `results.json`: means with 95 % intervals, the best in
    bold, `*` where a method differs significantly from the first one. Scores are kept there: a second call scores only
    what has changed.

    Args:
        results: A folder for each method, which is called as the folder; all have results of the same pictures.
        output: The folder for the tables.
        options: How; each option can also be given as a keyword. `jobs` as for `score_files`.
        watcher: Callbacks for plan and progress; `on_plan` gets an `EvaluationPlan`.

    Returns:
        The scores, compared.

    Raises:
        UsageError: A folder is missing or empty, two have one name, or a method lacks pictures that another one has;
            nothing was done.
        KeyboardInterrupt: Ctrl-C; finished scores are kept.
    """
    planned = plan_evaluation(results, output, options)
    if watcher is not None:
        watcher.on_plan(planned)
    return _run(planned, watcher)


def plan_evaluation(results: Paths, output: str | Path, options: EvaluateOptions) -> EvaluationPlan:
    """Find the pictures of every method; arguments and errors as for `evaluate`. Nothing is written."""
    metrics = find_metrics(options)
    problems = Problems()
    folders: dict[str, Path] = {}
    # By method, which of the pictures in common each of its files shows: a reference, or a file of the first method.
    shown: dict[str, dict[Path, Path]] = {}
    for folder in as_paths(results):
        name = folder.absolute().name
        if name in folders:
            problems.add(f"{folder}: another method is called {name}, too; rename a folder")
            continue
        folders[name] = folder
        with problems.noting(name):
            files = find([folder], suffixes=READABLE_SUFFIXES, recursive=options.recursive)
            if options.reference is not None:
                shown[name] = find_references(files, options.reference, options.scale, method=name)
            else:
                first = next(iter(shown), name)
                others = shown.get(first) or dict.fromkeys(files)
                pairs = pair(
                    {path: lr_name(path, options.scale, method=name) for path in files},
                    {path: lr_name(path, options.scale, method=first) for path in others},
                )
                problems.add(*dict.fromkeys(pairs.unclear.values()))
                shown[name] = {path: pairs.found.get(path, path) for path in files if path not in pairs.unclear}
    has_truth = options.reference is not None
    paths = sorted({path for found in shown.values() for path in found.values()})
    short = {path: hr_name(path).shortest if has_truth else path.stem for path in paths}
    names = unique_names(short, Path(os.path.commonpath([path.parent for path in paths])) if paths else Path())
    by_name: dict[str, dict[str, Path]] = {}
    for method, found in shown.items():
        by_name[method] = {names[path]: file for file, path in found.items()}
        lacking = sorted(set(names.values()) - by_name[method].keys())
        if lacking:
            problems.add(f"{method} lacks {listed(lacking)}, which others have")
        if len(by_name[method]) < len(found):
            twice = [file for file, path in found.items() if by_name[method][names[path]] != file]
            problems.add(f"{method} has two results of one picture: {listed(twice)}")
    if not folders:
        problems.add("no results to evaluate")
    problems.refuse()
    high = {name: path if has_truth else None for path, name in names.items()}
    return EvaluationPlan(folders, by_name, dict(sorted(high.items())), metrics, Path(output), options)


def _run(planned: EvaluationPlan, watcher: Watcher | None) -> Comparison:
    begin = time.perf_counter()
    options, metrics = ScoreOptions(**dict(planned.options)), planned.metrics
    results = {}
    for name, files in planned.files.items():
        keep = planned.output / "kept" / f"{name}.jsonl"
        results[name] = score_results(MethodResult(files), planned.high, metrics, options, keep, watcher)
    first = next(iter(results))
    title = "Results" if options.reference is None else str(options.reference)
    has_truth = options.reference is not None
    categories = dict.fromkeys(planned.high)
    found = SetResult(title, categories, has_truth, {}, metrics, why_missing(metrics), first, results)
    folders = map(str, planned.folders.values())
    wanted = options.replaced(metrics=tuple(metric.name for metric in metrics))
    command = shlex.join(["aimanga", "evaluate", *folders, "-o", str(planned.output), *as_flags(wanted)])
    words = {name: f"results of {folder}" for name, folder in planned.folders.items()}
    report = Comparison("Evaluation", "", words, first, {title: found}, command)
    return replace(report, written=write_tables(report, planned.output), seconds=time.perf_counter() - begin)


def score_results(
    result: MethodResult,
    high: Mapping[str, Path | None],
    metrics: tuple[Metric, ...],
    options: ScoreOptions,
    keep: Path,
    watcher: Watcher | None,
) -> MethodResult:
    """Score the results of a method.

    Args:
        result: The results.
        high: Ground truth, by the names of the pictures.
        metrics: The metrics; those that `options` names are not used.
        options: Device, number of processes and limits.
        keep: The file that keeps scores for the next call.
        watcher: Callbacks for the progress.
    """
    if not result.files:
        return result
    keep.parent.mkdir(parents=True, exist_ok=True)
    references = {path: true for name, path in result.files.items() if (true := high[name]) is not None}
    planned = ScorePlan(tuple(result.files.values()), references, metrics, options)
    report = run_scores(planned, keep=keep, watcher=watcher)
    scores = {picture.file: picture for picture in report.pictures}
    return replace(result, scores={name: scores[path] for name, path in result.files.items()})
