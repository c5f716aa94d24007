"""Write results as tables: Markdown and LaTeX for people, CSV and JSON for programs."""

import csv
import json
import math
from collections.abc import Callable
from io import StringIO
from pathlib import Path

from aimanga.atomic import replacing
from aimanga.evaluate.columns import SIGNIFICANT, latex_table, markdown_rows, markdown_table
from aimanga.evaluate.comparison import Comparison, MethodResult, SetResult
from aimanga.evaluate.statistics import LEVEL
from aimanga.version import __version__, versions

PROGRAMS = ("torch", "numpy", "scipy", "pyvips")
"""Programs whose versions may change the results."""


def write_tables(report: Comparison, folder: Path) -> tuple[Path, ...]:
    """Write `results.md`, `results.tex`, `scores.csv` and `results.json`; return their paths."""
    texts: dict[str, Callable[[Comparison], str]] = {
        "results.md": _markdown,
        "results.tex": _latex,
        "scores.csv": _csv,
        "results.json": _json,
    }
    for name, text in texts.items():
        with replacing(folder / name) as part:
            part.write_text(text(report), encoding="utf-8", errors="backslashreplace", newline="\n")
    return tuple(folder / name for name in texts)


def _markdown(report: Comparison) -> str:
    lines = [f"# {report.title}", "", *([report.description, ""] if report.description else [])]
    lines += [f"- {name}: {text}" for name, text in report.methods.items()]
    for name, found in report.sets.items():
        lines += ["", f"## {name}", "", f"{found.about}.", "", *markdown_table(tuple(found.methods), found.columns)]
        if found.significance:
            test = f"p < {SIGNIFICANT:g}, Wilcoxon's signed-rank test, Holm's correction"
            lines += ["", f"\\* differs from {found.baseline}: {test}."]
        lines += _intervals(found)
    lines += ["", "## Protocol", "", *(f"- {title}: {protocol}" for title, protocol in report.protocols.items())]
    lines += ["", "To repeat it:", "", "```console", f"$ {report.command}", "```"] if report.command else []
    lines += ["", f"Made by aimanga {__version__}."]
    lines += ["", "## What is missing", "", *(f"- {line}" for line in report.failures)] if report.failures else []
    return "\n".join(lines) + "\n"


def _intervals(found: SetResult) -> list[str]:
    """The intervals, in a table of their own: papers have no room for them in the first one."""
    columns = [column for column in found.columns if any(mean.interval for mean in column.means.values())]
    rows = [[f"{LEVEL:.0%} interval", *(column.title for column in columns)]]
    for method in found.methods:
        intervals = [column.means[method].interval if method in column.means else None for column in columns]
        rows.append([method, *("-" if i is None else f"{i.low:.3f} to {i.high:.3f}" for i in intervals)])
    return ["", *markdown_rows(rows)] if columns else []


def _latex(report: Comparison) -> str:
    lines = [f"% {report.title}, by aimanga {__version__}"]
    lines += [f"% {title}: {protocol}" for title, protocol in report.protocols.items()]
    for name, found in report.sets.items():
        lines += ["", f"% {name}: {found.about}", *latex_table(tuple(found.methods), found.columns)]
    return "\n".join(lines) + "\n"


def _csv(report: Comparison) -> str:
    metrics = list({metric.name: None for found in report.sets.values() for metric in found.metrics})
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["set", "method", "picture", "category", *metrics, "seconds", "megapixels", "problem"])
    for name, found in report.sets.items():
        for method, result in found.methods.items():
            for picture, category in found.categories.items():
                scores, cost = result.scores_of(picture), result.costs.get(picture)
                costs = (cost.seconds, cost.megapixels) if cost else (None, None)
                cells = [category, *(scores.get(metric) for metric in metrics), *costs]
                problem = "; ".join(result.problems_of(picture))
                rows.writerow([name, method, picture, *("" if cell is None else cell for cell in cells), problem])
    return text.getvalue()


def _json(report: Comparison) -> str:
    content = {
        "aimanga": __version__,
        "versions": versions(*PROGRAMS),
        "command": report.command,
        "recipe": report.recipe and report.recipe.model_dump(mode="json", exclude_none=True),
        "methods": dict(report.methods),
        "baseline": report.baseline,
        "protocols": report.protocols,
        "sets": {
            name: {
                "inputs": dict(found.inputs),
                "common": list(found.common),
                "methods": {method: _method_json(found, method, result) for method, result in found.methods.items()},
            }
            for name, found in report.sets.items()
        },
        "failures": report.failures,
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _method_json(found: SetResult, method: str, result: MethodResult) -> dict[str, object]:
    means = {column.name: column.means[method] for column in found.columns if method in column.means}
    return {
        "means": {
            name: {
                "mean": _finite(mean.value),
                "pictures": mean.count,
                "interval": mean.interval and [mean.interval.low, mean.interval.high],
                "p": mean.p,
            }
            for name, mean in means.items()
        },
        "pictures": {
            picture: {metric: _finite(value) for metric, value in result.scores_of(picture).items()}
            for picture in result.scores
        },
        "problems": {name: "; ".join(why) for name in found.categories if (why := result.problems_of(name))},
    }


def _finite(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
