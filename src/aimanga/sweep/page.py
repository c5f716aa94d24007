"""The page of a sweep: a curve for each metric, and crops of all mixtures side by side."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aimanga.benchmark.crops import as_jpeg, crop_all, load_pictures, most_different_crop
from aimanga.evaluate import Case
from aimanga.evaluate.columns import Column
from aimanga.evaluate.comparison import Comparison, SetResult
from aimanga.images import read
from aimanga.pages import data_uri, write_html
from aimanga.sweep.plan import SweepPlan

_PICTURES = 3
_SIDE = 240


def write_page(report: Comparison, planned: SweepPlan, path: Path) -> None:
    """Write the page.

    Args:
        report: The scores.
        planned: The mixtures and the pictures.
        path: The HTML file; an existing one is replaced. The same scores and results give the same bytes.
    """
    found = next(iter(report.sets.values()))
    points = planned.points
    data = {
        "title": report.title,
        "about": f"{found.name}: {found.about}.",
        "points": [{"t": p.t, "name": p.name, "command": p.command} for p in points],
        "measures": [_measure(column, list(found.methods)) for column in found.columns],
        "pictures": [_strip(found, case, planned.scale) for case in _chosen(found, planned.source.cases)],
        "notices": [*planned.mixture.notes, *report.failures],
        "repeat": [
            ("Command", report.command),
            ("Protocols", "\n".join(f"{title}: {protocol}" for title, protocol in report.protocols.items())),
        ],
    }
    write_html(path, Path(__file__).parent, "aimanga models sweep", data)


def _measure(column: Column, methods: Sequence[str]) -> dict[str, object]:
    means = [column.means[method].value if method in column.means else math.nan for method in methods]
    best = column.best()
    return {
        "title": column.head,
        "values": [mean if math.isfinite(mean) else None for mean in means],
        "digits": column.digits,
        "best": [method in best for method in methods],
    }


def _chosen(found: SetResult, cases: Sequence[Case]) -> list[Case]:
    """The pictures in which the two ends of the line differ most, in the order of the set."""
    differences = {}
    for name in found.common:
        files = list(found.files_of(name).values())
        first, last = (read(path).pixels.astype(np.float32) for path in (files[0], files[-1]))
        differences[name] = float(np.abs(first - last).mean())
    largest = sorted(differences, key=differences.__getitem__, reverse=True)[:_PICTURES]
    return [case for case in cases if case.name in largest]


def _strip(found: SetResult, case: Case, scale: int) -> dict[str, object]:
    """The same crop of LR, all mixtures, and HR, where the mixtures differ most."""
    results = found.files_of(case.name)
    pictures = load_pictures(case, results)
    box = most_different_crop([pictures[name] for name in results], _SIDE, _SIDE, scale)
    crops = [(name, data_uri(as_jpeg(pixels))) for name, pixels in crop_all(pictures, box, scale).items()]
    return {"name": case.name, "width": box.width, "height": box.height, "crops": crops}
