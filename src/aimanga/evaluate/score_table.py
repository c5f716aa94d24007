"""Write the scores of pictures as CSV or JSON, with the protocol of every metric."""

import csv
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from aimanga.atomic import replacing
from aimanga.errors import UsageError
from aimanga.evaluate.statistics import LEVEL
from aimanga.version import __version__

if TYPE_CHECKING:
    from aimanga.evaluate.score import PictureScores, ScoreReport

_SUFFIXES = (".csv", ".json")


def check_table(path: Path) -> None:
    """Check that a table can be written.

    Raises:
        UsageError: It has another suffix, it is a folder, or its folder is missing or read-only.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{path}: tables are written as {' or '.join(_SUFFIXES)}")
    if path.is_dir():
        raise UsageError(f"{path}: this is a folder")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise UsageError(f"{path}: nothing can be written into {path.parent}")


def write_table(scores: "ScoreReport", path: Path) -> None:
    """Write scores in the format of the suffix.

    CSV: a row for each picture with its size, a column for each metric, a column for problems, and one for the protocol
    of each metric. JSON: the metrics with protocols, means and intervals, and the pictures. Infinite PSNR is `inf`, in
    JSON a string.

    Args:
        scores: The scores.
        path: A `.csv` or `.json` file; an existing one is replaced.
    """
    with replacing(path) as part, part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        if path.suffix.lower() == ".json":
            json.dump(_as_json(scores), file, indent=2, ensure_ascii=False)
            file.write("\n")
            return
        rows = csv.writer(file, lineterminator="\n")
        names = [metric.name for metric in scores.metrics]
        rows.writerow(["picture", "width", "height", *names, "problems", *(f"{name} protocol" for name in names)])
        protocols = [metric.protocol for metric in scores.metrics]
        for picture in scores.pictures:
            values = [picture.values.get(name, "") for name in names]
            size = (picture.width or "", picture.height or "")
            problems = filter(None, (picture.error, *picture.problems.values(), *scores.missing.values()))
            rows.writerow([picture.file, *size, *values, "; ".join(problems), *protocols])


def _as_json(scores: "ScoreReport") -> dict[str, object]:
    metrics = {}
    for metric in scores.metrics:
        interval = scores.interval(metric.name)
        metrics[metric.name] = {
            "better": metric.better,
            "mean": _number(scores.mean(metric.name)),
            "interval": interval and {"level": LEVEL, "low": interval.low, "high": interval.high},
            "pictures": scores.count(metric.name),
            "protocol": metric.protocol,
            "source": metric.source,
            "missing": scores.missing.get(metric.name),
        }
    return {"aimanga": __version__, "metrics": metrics, "pictures": [as_json(picture) for picture in scores.pictures]}


def as_json(picture: "PictureScores") -> dict[str, object]:
    """One picture, for JSON."""
    return {
        "picture": str(picture.file),
        "width": picture.width,
        "height": picture.height,
        "scores": {name: _number(value) for name, value in picture.values.items()},
        "problems": dict(picture.problems),
        "error": picture.error,
    }


def _number(value: float | None) -> float | str | None:
    return str(value) if value is not None and math.isinf(value) else value
