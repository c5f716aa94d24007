"""The report of a benchmark: one HTML file with tables, plots, and all methods side by side on every picture."""

import math
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path

from aimanga.benchmark.crops import as_jpeg, crop_all, load_pictures, most_different_crop
from aimanga.config import to_toml
from aimanga.evaluate import Case, PictureCases
from aimanga.evaluate.building import equal_shares
from aimanga.evaluate.comparison import Comparison, SetResult
from aimanga.evaluate.tables import PROGRAMS
from aimanga.pages import data_uri, write_html
from aimanga.version import versions

# Larger pictures are shown in part: a page of forty with five methods each has about 30 MB.
_LARGEST = 640
_EXTREMES = 3
_NOTICES = 12


def write_page(content: object, path: Path) -> None:
    """Write a report.

    Args:
        content: What `page_content` returns.
        path: The file; an existing one is replaced. The same content gives the same bytes.
    """
    write_html(path, Path(__file__).parent, "aimanga benchmark", _encodable(content))


def page_content(report: Comparison, sources: Mapping[str, PictureCases], room: int) -> dict[str, object]:
    """Everything that `page.js` shows.

    Args:
        report: The results.
        sources: The pictures of the sets.
        room: How many pictures can be looked at.
    """
    shares = equal_shares({name: len(found.common) for name, found in report.sets.items()}, room)
    notices = report.failures[:_NOTICES]
    if len(report.failures) > _NOTICES:
        notices.append(f"and {len(report.failures) - _NOTICES} more, see results.json")
    repeat = {
        "Command": report.command,
        "Recipe": to_toml(report.recipe) if report.recipe else "",
        "Protocols": "\n".join(f"{title}: {protocol}" for title, protocol in report.protocols.items()),
        "Versions": "\n".join(f"{name} {version}" for name, version in versions(*PROGRAMS).items()),
        "SHA-256 of the inputs": "\n".join(
            f"{digest}  {name}/{picture}"
            for name, found in report.sets.items()
            for picture, digest in found.inputs.items()
        ),
    }
    return {
        "title": report.title,
        "description": report.description,
        # Lists of pairs: among the keys of an object JavaScript puts numbers first, and a method may be called 2.
        "methods": list(report.methods.items()),
        "baseline": report.baseline,
        "sets": [_set(found, sources[name], shares[name]) for name, found in report.sets.items()],
        "notices": notices,
        "repeat": [(title, text) for title, text in repeat.items() if text],
    }


def _set(found: SetResult, source: PictureCases, room: int) -> dict[str, object]:
    shown = _telling(found, room)
    means: dict[str, dict[str, object]] = {name: {} for name in found.methods}
    for column in found.columns:
        for method, mean in column.means.items():
            interval = mean.interval
            means[method][column.name] = {
                "value": mean.value,
                "count": mean.count,
                "low": interval and interval.low,
                "high": interval and interval.high,
                "best": method in column.best(),
                "p": mean.p,
            }
    return {
        "name": found.name,
        "about": f"{found.about}.",
        "measures": [
            {key: getattr(column, key) for key in ("name", "title", "better", "digits", "about")}
            for column in found.columns
        ],
        "means": means,
        "cases": [
            {
                "name": case.name,
                "category": case.category,
                "scores": {method: result.scores_of(case.name) for method, result in found.methods.items()},
                "problems": {
                    method: "; ".join(problems)
                    for method, result in found.methods.items()
                    if (problems := result.problems_of(case.name))
                },
                "shown": _pictures(found, case) if case.name in shown else None,
            }
            for case in source.cases
        ],
    }


def _telling(found: SetResult, room: int) -> list[str]:
    """The pictures to show: in turn the best and the worst ones of each method by each metric, then any."""
    ranks = []
    for method in found.methods:
        for metric in found.measured:
            values = found.values(method, metric.name)
            ordered = sorted(values, key=values.__getitem__, reverse=metric.better == "higher")
            ranks += [ordered[:_EXTREMES], ordered[::-1][:_EXTREMES]]
    by_turns = [name for names in zip_longest(*ranks) for name in names if name is not None]
    return list(dict.fromkeys([*by_turns, *found.common]))[:room]


def _pictures(found: SetResult, case: Case) -> dict[str, object]:
    """The same crop of LR, all results, and HR: JPEG files, and the size of a result."""
    results = found.files_of(case.name)
    pictures = load_pictures(case, results)
    height, width = pictures[next(iter(results))].shape[:2]
    scale = height // pictures["LR"].shape[0]
    box = most_different_crop([pictures[name] for name in results], _LARGEST, _LARGEST, scale)
    part = ""
    if (box.width, box.height) != (width, height):
        part = (
            f"{box.width} x {box.height} of {width} x {height} pixels, from {box.left}, {box.top}: "
            "where the methods differ most"
        )
    crops = [(name, as_jpeg(pixels)) for name, pixels in crop_all(pictures, box, scale).items()]
    return {"pictures": crops, "width": box.width, "height": box.height, "part": part}


def _encodable(value: object) -> object:
    """What JSON does not have: an infinite number becomes text that JavaScript reads, a picture becomes its URI."""
    if isinstance(value, Mapping):
        return {key: _encodable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(entry) for entry in value]
    if isinstance(value, bytes):
        return data_uri(value)
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
