"""The tables of a benchmark: Markdown and LaTeX for people, CSV and JSON for programs."""

import csv
import json
import math
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

from aimanga.atomic import replacing
from aimanga.benchmark.findings import PROGRAMS, Findings, input_hashes, protocols, set_in_words
from aimanga.benchmark.results import EXPENSES, SIGNIFICANT, SetResult
from aimanga.evaluate.columns import latex_table, markdown_rows, markdown_table
from aimanga.evaluate.statistics import LEVEL
from aimanga.version import __version__, versions


def write_tables(findings: Findings, folder: Path) -> tuple[Path, ...]:
    """Write `results.md`, `results.tex`, `scores.csv` and `benchmark.json`; return them."""
    texts: dict[str, Callable[[Findings], str]] = {
        "results.md": _markdown,
        "results.tex": _latex,
        "scores.csv": _csv,
        "benchmark.json": _json,
    }
    for name, text in texts.items():
        with replacing(folder / name) as part:
            part.write_text(text(findings), encoding="utf-8", errors="backslashreplace", newline="\n")
    return tuple(folder / name for name in texts)


def _markdown(findings: Findings) -> str:
    planned, recipe = findings.planned, findings.planned.recipe
    lines = [f"# {recipe.title}", ""]
    lines += [recipe.description.strip(), ""] if recipe.description.strip() else []
    lines += [f"- {name}: {text}" for name, text in findings.words.items()]
    for name, found in findings.sets.items():
        lines += ["", f"## {name}", "", f"{set_in_words(found)[:1].upper()}{set_in_words(found)[1:]}.", ""]
        lines += markdown_table(tuple(found.methods), found.columns())
        lines += _footnotes(found)
        lines += _intervals(found)
    lines += ["", "## How it was measured", ""]
    lines += [f"- {title}: {protocol}" for title, protocol in protocols(findings).items()]
    if any(method.costs for found in findings.sets.values() for method in found.methods.values()):
        lines += [f"- {expense.title}: {expense.about}" for expense in EXPENSES]
    if planned.command:
        lines += ["", "To repeat it:", "", "```console", f"$ {planned.command}", "```"]
    lines += ["", f"Made by aimanga {__version__}."]
    failures = findings.failures
    if failures:
        lines += ["", "## What is missing", "", *(f"- {line}" for line in failures)]
    return "\n".join(lines) + "\n"


def _footnotes(found: SetResult) -> list[str]:
    if len(found.methods) < 2:
        return []
    if found.too_few:
        return ["", f"{len(found.common)} pictures are too few to tell differences from chance."]
    level = f"{SIGNIFICANT:g}"
    return ["", f"\\* differs from {found.baseline}: p < {level}, Wilcoxon's signed-rank test, Holm's correction."]


def _intervals(found: SetResult) -> list[str]:
    """Where the means may lie, in a table of its own: papers have no room for it in the first."""
    metrics = [metric for metric in found.measured if any(found.interval(name, metric.name) for name in found.methods)]
    if not metrics:
        return []
    head = [f"{LEVEL:.0%} interval", *(metric.title for metric in metrics)]
    rows = [head, ["---"] * len(head)]
    for name in found.methods:
        row = [name]
        for metric in metrics:
            interval = found.interval(name, metric.name)
            row.append("-" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}")
        rows.append(row)
    return ["", *markdown_rows(rows)]


def _latex(findings: Findings) -> str:
    lines = [f"% {findings.planned.recipe.title}, by aimanga {__version__}"]
    lines += [f"% {title}: {protocol}" for title, protocol in protocols(findings).items()]
    for name, found in findings.sets.items():
        lines += ["", f"% {name}: {set_in_words(found)}"]
        lines += latex_table(tuple(found.methods), found.columns())
    return "\n".join(lines) + "\n"


def _csv(findings: Findings) -> str:
    names = list({metric.name: None for found in findings.sets.values() for metric in found.metrics})
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["set", "method", "picture", "category", *names, "seconds", "megapixels", "problem"])
    for name, found in findings.sets.items():
        for method, result in found.methods.items():
            for case in found.cases.values():
                scores = result.scores.get(case.name)
                cost = result.costs.get(case.name)
                values = [scores.values.get(metric, "") if scores else "" for metric in names]
                seconds = cost.seconds if cost and cost.seconds is not None else ""
                problem = result.problems.get(case.name) or (scores and scores.error) or ""
                size = cost.megapixels if cost else ""
                rows.writerow([name, method, case.name, case.category or "", *values, seconds, size, problem])
    return text.getvalue()


def _json(findings: Findings) -> str:
    content = {
        "aimanga": __version__,
        "versions": versions(*PROGRAMS),
        "recipe": findings.planned.recipe.model_dump(mode="json", exclude_none=True),
        "methods": dict(findings.words),
        "baseline": findings.planned.baseline,
        "sets": {name: dict(_set_json(found)) for name, found in findings.sets.items()},
        "failures": findings.failures,
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _set_json(found: SetResult) -> Iterator[tuple[str, object]]:
    yield "inputs", input_hashes(found)
    yield "common", list(found.common)
    for name, result in found.methods.items():
        means: dict[str, object] = {}
        for metric in found.measured:
            interval = found.interval(name, metric.name)
            means[metric.name] = {
                "mean": _finite(found.mean(name, metric.name)),
                "interval": None if interval is None else [interval.low, interval.high],
                "p": found.significance.get((name, metric.name)),
            }
        yield (
            name,
            {
                "means": means,
                "seconds_per_megapixel": result.seconds_per_megapixel,
                "memory": result.memory,
                "pictures": {
                    case: {key: _finite(value) for key, value in scores.values.items()}
                    for case, scores in result.scores.items()
                },
                "problems": dict(result.problems),
            },
        )


def _finite(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)
