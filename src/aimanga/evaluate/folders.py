"""The verb `evaluate`: folders of results of several methods, compared as a benchmark on one set."""

import os
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aimanga.batch import Watcher, find
from aimanga.evaluate.comparison import Comparison, MethodResult, SetResult
from aimanga.evaluate.references import find_references
from aimanga.evaluate.score import ScoreOptions, check_references, plan_known_pairs, requested_metrics, run_scores
from aimanga.evaluate.tables import write_tables
from aimanga.images import READABLE_SUFFIXES
from aimanga.metrics import available_metrics
from aimanga.options import MAX_PIXELS
from aimanga.pairing import hr_name, lr_name, pair
from aimanga.problems import Problems
from aimanga.text import listed


@dataclass(frozen=True)
class EvaluationPlan:
    """What `evaluate_results` is going to do.

    Attributes:
        folders: The folder of each method, by its name.
        files: The results of each method, by the names of the pictures.
        high: Ground truth by the names of the pictures; None where there is none.
        output: The folder for the tables.
        options: How results are scored.
    """

    folders: Mapping[str, Path]
    files: Mapping[str, Mapping[str, Path]]
    high: Mapping[str, Path | None]
    output: Path
    options: ScoreOptions

    @property
    def pictures(self) -> int:
        """The number of results of all methods together."""
        return sum(map(len, self.files.values()))


def evaluate_results(
    results: Sequence[str | Path],
    output: str | Path,
    *,
    metrics: Sequence[str] | None = None,
    reference: str | Path | None = None,
    recursive: bool = False,
    device: str = "auto",
    max_pixels: int = MAX_PIXELS,
    scale: int = 4,
    jobs: int = 1,
    watcher: Watcher | None = None,
) -> Comparison:
    """Compare the results of several methods on the same pictures.

    `output` gets `results.md`, `results.tex`, `scores.csv` and `results.json`, as `benchmark` writes them: means with
    intervals, the best in bold, `*` where a method differs significantly from the first one. Scores are kept there: a
    second call scores only what has changed.

    Args:
        results: A folder of pictures for each method, which is called as the folder.
        output: The folder for the tables.
        metrics: Names of metrics; None for all whose weights are here, FR metrics only with `reference`.
        reference: The folder of the ground truth.
        recursive: Enter subfolders.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        max_pixels: Refuse larger pictures.
        scale: The scale that pictures may have in their names: `babyx4.png`.
        jobs: Number of processes; as for `score_files`.
        watcher: Notified of the progress.

    Raises:
        UsageError: A folder is missing or empty, two have one name, or a method lacks pictures that another one has;
            nothing was done.
    """
    names = metrics if metrics is not None else available_metrics(with_reference=reference is not None)
    options = ScoreOptions(
        tuple(names), None if reference is None else Path(reference), device, max_pixels, scale=scale
    )
    planned = plan_evaluation([Path(path) for path in results], Path(output), options, recursive=recursive)
    return run_evaluation(planned, jobs=jobs, watcher=watcher)


def plan_evaluation(
    results: Sequence[Path], output: Path, options: ScoreOptions, *, recursive: bool = False
) -> EvaluationPlan:
    """Find the pictures of every method; arguments and errors as for `evaluate_results`. Nothing is written."""
    check_references(options)
    problems = Problems()
    if not results:
        problems.add("no results to evaluate")
    folders: dict[str, Path] = {}
    # By method, which of the pictures in common each of its files shows: a reference, or a file of the first method.
    shown: dict[str, dict[Path, Path]] = {}
    for folder in results:
        name = folder.absolute().name
        if name in folders:
            problems.add(f"{folder}: another method is called {name}, too; rename a folder")
            continue
        folders[name] = folder
        with problems.noting(name):
            files = find([folder], suffixes=READABLE_SUFFIXES, recursive=recursive)
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
    names = _names({path for found in shown.values() for path in found.values()}, options)
    by_name: dict[str, dict[str, Path]] = {}
    for method, found in shown.items():
        by_name[method] = {names[path]: file for file, path in found.items()}
        lacking = sorted(set(names.values()) - by_name[method].keys())
        if lacking:
            problems.add(f"{method} lacks {listed(lacking)}, which others have")
        if len(by_name[method]) < len(found):
            twice = [file for file, path in found.items() if by_name[method][names[path]] != file]
            problems.add(f"{method} has two results of one picture: {listed(twice)}")
    problems.refuse()
    high = {name: path if options.reference is not None else None for path, name in names.items()}
    return EvaluationPlan(folders, by_name, dict(sorted(high.items())), output, options)


def run_evaluation(planned: EvaluationPlan, *, jobs: int = 1, watcher: Watcher | None = None) -> Comparison:
    """Run a plan; arguments and errors as for `evaluate_results`."""
    begin = time.perf_counter()
    options = planned.options
    results = {
        name: score_results(
            MethodResult(files), planned.high, options, planned.output / "kept" / f"{name}.jsonl", jobs=jobs,
            watcher=watcher,
        )
        for name, files in planned.files.items()
    }  # fmt: skip
    metrics, missing = requested_metrics(options.metrics)
    first = next(iter(results))
    title = "Results" if options.reference is None else str(options.reference)
    found = SetResult(
        title, dict.fromkeys(planned.high), options.reference is not None, {}, metrics, missing, first,
        results,
    )  # fmt: skip
    reference = [] if options.reference is None else ["--reference", str(options.reference)]
    folders = map(str, planned.folders.values())
    command = shlex.join(
        ["aimanga", "evaluate", *folders, "-o", str(planned.output), *reference, "-m", ",".join(options.metrics)]
    )
    words = {name: f"results of {folder}" for name, folder in planned.folders.items()}
    report = Comparison("Evaluation", "", words, first, {title: found}, command)
    return replace(report, written=write_tables(report, planned.output), seconds=time.perf_counter() - begin)


def score_results(
    result: MethodResult,
    high: Mapping[str, Path | None],
    options: ScoreOptions,
    keep: Path,
    *,
    jobs: int = 1,
    watcher: Watcher | None = None,
) -> MethodResult:
    """Score the results of a method.

    Args:
        result: The results.
        high: Ground truth, by the names of the pictures.
        options: Metrics and device.
        keep: The file that keeps scores for the next call.
        jobs: Number of processes.
        watcher: Notified of the progress.
    """
    if not result.files:
        return result
    keep.parent.mkdir(parents=True, exist_ok=True)
    pairs = {path: high[name] for name, path in result.files.items()}
    report = run_scores(plan_known_pairs(pairs, options), jobs=jobs, keep=keep, watcher=watcher)
    scores = {picture.file: picture for picture in report.pictures}
    return replace(result, scores={name: scores[path] for name, path in result.files.items()})


def _names(paths: set[Path], options: ScoreOptions) -> dict[Path, str]:
    """Names of pictures: their stems, with their folders where two would have one name."""
    short = {path: hr_name(path).shortest if options.reference is not None else path.stem for path in sorted(paths)}
    counts: dict[str, int] = {}
    for name in short.values():
        counts[name] = counts.get(name, 0) + 1
    top = os.path.commonpath([path.parent for path in paths]) if paths else ""
    return {
        path: name if counts[name] == 1 else path.relative_to(top).with_suffix("").as_posix().replace("/", "_")
        for path, name in short.items()
    }
