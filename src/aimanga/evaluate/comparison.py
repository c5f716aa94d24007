"""Several methods on the same pictures, in one table."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from aimanga.atomic import replacing
from aimanga.batch import Watcher
from aimanga.errors import UsageError
from aimanga.evaluate.columns import Column, latex_table, markdown_table
from aimanga.evaluate.score import ScoreOptions, ScorePlan, ScoreReport, plan_scores, run_scores
from aimanga.evaluate.tables import as_json, summary
from aimanga.images import MAX_PIXELS
from aimanga.metrics import Metric, available_metrics
from aimanga.pairing import Name, lr_name, pair
from aimanga.version import __version__

TABLES = ("table.md", "table.tex", "scores.csv", "scores.json")
"""What is written."""

_SHOWN = 5


@dataclass(frozen=True)
class EvaluationPlan:
    """What `evaluate_results` is going to do.

    Attributes:
        methods: The pictures of each method, by its name.
        output: The folder of the tables.
    """

    methods: Mapping[str, ScorePlan]
    output: Path

    @property
    def pictures(self) -> int:
        """How many pictures there are, of all methods together."""
        return sum(len(planned.sources) for planned in self.methods.values())


@dataclass(frozen=True)
class Comparison:
    """The scores of several methods.

    Attributes:
        methods: The scores of each, by its name, in the order in which they were given.
    """

    methods: Mapping[str, ScoreReport]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What was measured."""
        return next(iter(self.methods.values())).metrics

    @property
    def exit_code(self) -> int:
        """0: every picture of every method has every score; 1: something is missing, and said."""
        return max(report.exit_code for report in self.methods.values())

    def columns(self) -> list[Column]:
        """The means of all metrics."""
        return [
            Column(
                metric.title,
                metric.better,
                {name: mean for name, report in self.methods.items() if (mean := report.mean(metric.name)) is not None},
            )
            for metric in self.metrics
        ]


def evaluate_results(
    results: Sequence[str | Path],
    output: str | Path,
    *,
    metrics: Sequence[str] | None = None,
    reference: str | Path | None = None,
    recursive: bool = False,
    device: str = "auto",
    max_pixels: int = MAX_PIXELS,
    jobs: int = 1,
    watcher: Watcher | None = None,
) -> Comparison:
    """Score the results of several methods on the same pictures.

    `output` gets `table.md` and `table.tex`, the means with the best in bold and with the protocols; `scores.csv` and
    `scores.json`, every picture. What has been scored is kept there, too: a second call scores only what has changed.

    Args:
        results: A folder of pictures for each method, which is called as the folder.
        output: The folder for the tables.
        metrics: Names of metrics; None for all whose weights are here, those that compare only with `reference`.
        reference: The folder of the pictures as they should be.
        recursive: Enter subfolders.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        max_pixels: Refuse larger pictures.
        jobs: Number of processes; as for `score_files`.
        watcher: Told how it goes on.

    Raises:
        UsageError: A folder is missing or empty, two are called alike, or a method lacks pictures that another one has;
            nothing was done.
    """
    names = metrics if metrics is not None else available_metrics(with_reference=reference is not None)
    options = ScoreOptions(tuple(names), None if reference is None else Path(reference), device, max_pixels)
    planned = plan_evaluation([Path(path) for path in results], Path(output), options, recursive=recursive)
    return run_evaluation(planned, jobs=jobs, watcher=watcher)


def plan_evaluation(
    results: Sequence[Path], output: Path, options: ScoreOptions, *, recursive: bool = False
) -> EvaluationPlan:
    """Find the pictures of every method; arguments and errors as for `evaluate_results`. Nothing is written."""
    methods: dict[str, ScorePlan] = {}
    problems = []
    for folder in results:
        name = folder.absolute().name
        if name in methods:
            problems.append(f"{folder}: another method is called {name}, too; rename a folder")
            continue
        try:
            methods[name] = plan_scores([folder], options, recursive=recursive)
        except UsageError as error:
            problems.append(f"{name}: {error}")
    if not results:
        problems.append("no results to evaluate")
    keys = _keys(methods, options.scale)
    every = set().union(*keys.values())
    for name, found in keys.items():
        lacking = sorted(every - found)
        if lacking:
            more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
            problems.append(f"{name} lacks {', '.join(lacking[:_SHOWN])}{more}, which others have")
    if problems:
        raise UsageError("; ".join(problems))
    return EvaluationPlan(methods, output)


def run_evaluation(planned: EvaluationPlan, *, jobs: int = 1, watcher: Watcher | None = None) -> Comparison:
    """Do what a plan says; arguments and errors as for `evaluate_results`."""
    (planned.output / "kept").mkdir(parents=True, exist_ok=True)
    found = Comparison(
        {
            name: run_scores(method, jobs=jobs, keep=planned.output / "kept" / f"{name}.jsonl", watcher=watcher)
            for name, method in planned.methods.items()
        }
    )
    writers = (_markdown, _latex, _csv, _json)
    for name, write in zip(TABLES, writers, strict=True):
        with replacing(planned.output / name) as part:
            part.write_text(write(found), encoding="utf-8", errors="backslashreplace", newline="\n")
    return found


def _keys(methods: Mapping[str, ScorePlan], scale: int) -> dict[str, set[str]]:
    """Names that pictures of several methods share: those of their references, else of the first method's pictures."""
    if any(planned.references for planned in methods.values()):
        return {name: {path.name for path in planned.references.values()} for name, planned in methods.items()}
    first: dict[Path, Name] = {}
    keys = {}
    for method, planned in methods.items():
        names = {path: lr_name(path, scale, method=method) for path in planned.sources}
        first = first or names
        pairs = pair(names, first)
        keys[method] = {path.name for path in pairs.found.values()} | {path.name for path in pairs.missing}
    return keys


def _markdown(found: Comparison) -> str:
    protocols = [f"- {metric.title}: {metric.protocol} ({metric.source})" for metric in found.metrics]
    lines = [*markdown_table(tuple(found.methods), found.columns()), "", *protocols, "", _made_by(found)]
    return "\n".join(lines) + "\n"


def _latex(found: Comparison) -> str:
    protocols = [f"% {metric.title}: {metric.protocol}" for metric in found.metrics]
    lines = [f"% {_made_by(found)}", *protocols, *latex_table(tuple(found.methods), found.columns())]
    return "\n".join(lines) + "\n"


def _csv(found: Comparison) -> str:
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["method", "picture", *(metric.name for metric in found.metrics)])
    for name, report in found.methods.items():
        for picture in report.pictures:
            values = [picture.values.get(metric.name, "") for metric in found.metrics]
            rows.writerow([name, picture.file.name, *values])
    return text.getvalue()


def _json(found: Comparison) -> str:
    methods = {
        name: {"metrics": summary(report), "pictures": [as_json(picture) for picture in report.pictures]}
        for name, report in found.methods.items()
    }
    return json.dumps({"aimanga": __version__, "methods": methods}, indent=1, ensure_ascii=False) + "\n"


def _made_by(found: Comparison) -> str:
    counts = {len(report.pictures) for report in found.methods.values()}
    return f"Means of {max(counts)} pictures, by aimanga {__version__}."
