"""The report of a training: one HTML page with its curves, its scores, and validation pictures."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyvips

from aimanga.pages import data_uri, write_html
from aimanga.text import counted
from aimanga.train.log import Event, read_log
from aimanga.train.scores import lower_is_better

FILE = "report.html"

# The page holds the sheets of so many validations; each one is as large as a photo.
_MOST_SHEETS = 12
# A longer curve is divided into so many parts, of which the lowest and the highest points are kept.
_MOST_PARTS = 300

Points = list[tuple[int, float]]


def write_report(folder: Path) -> Path:
    """Write the page of a run from its log and its pictures.

    Args:
        folder: The run's folder.

    Returns:
        The page; an existing one is replaced.
    """
    events = read_log(folder)
    starts, trains, validations, inputs = (
        [event for event in events if event["event"] == kind] for kind in ("start", "train", "validation", "inputs")
    )
    start = starts[-1] if starts else {}
    iteration = max((event["iteration"] for event in events), default=0)
    kinds = dict.fromkeys(kind for event in validations for kind in event["grids"])
    grids = {kind: [(e["iteration"], e["grids"][kind]) for e in validations if kind in e["grids"]] for kind in kinds}
    sheets = [(event["iteration"], event["picture"]) for event in (*inputs[:1], *inputs[1:][-1:])]
    data = {
        "title": folder.absolute().name,
        "state": _state(events),
        "iteration": iteration,
        "iterations": start.get("iterations", iteration),
        "seen": iteration * start.get("samples_per_iteration", 0),
        "about": [_about(start, trains), start.get("description", "")],
        "notices": _notices(events, validations),
        "scores": [
            {"name": name, "lower": lower_is_better(name.rpartition(" ")[2]), "points": points}
            for name, points in _series(validations, _scores).items()
        ],
        "losses": _curves(trains, lambda event: {"L1": event["l1"], **event["losses"]}),
        "course": _curves(trains, _course),
        "sheets": [(kind, _pictures(folder, _spread(found))) for kind, found in grids.items()],
        "inputs": _pictures(folder, sheets),
        "repeat": _repeat(start),
    }
    write_html(folder / FILE, Path(__file__).parent, "aimanga train", data)
    return folder / FILE


def _state(events: Sequence[Event]) -> str:
    last = events[-1] if events else {}
    if last.get("event") != "end":
        return "Running" if events else "Not started"
    message = f" ({last['message']})" if last.get("message") else ""
    return f"{str(last['reason']).capitalize()}{message}"


def _about(start: Event, trains: Sequence[Event]) -> str:
    speed = f", {trains[-1]['samples_per_second']:.1f} crops/s" if trains else ""
    networks = ", ".join(f"{name} {counted(count, 'weight')}" for name, count in start.get("parameters", {}).items())
    return (
        f"From {start.get('start', '?')}, {counted(start.get('pictures', 0), 'picture')}; {networks}. "
        f"{start.get('processes', 1)} x {start.get('device', '?')}, {start.get('precision', '?')}{speed}."
    )


def _notices(events: Sequence[Event], validations: Sequence[Event]) -> list[tuple[int, str]]:
    # Each validation may repeat a warning: the last one is enough.
    notices: dict[str, int] = {}
    for event in events:
        if event["event"] in ("warning", "rollback"):
            notices.pop(event["message"], None)
            notices[event["message"]] = event["iteration"]
    if validations and validations[-1]["worse"]:
        worse = ", ".join(validations[-1]["worse"]).replace("_", " ")
        notices[f"worse than the weights it started from, by {worse}"] = validations[-1]["iteration"]
    return [(iteration, message) for message, iteration in notices.items()]


def _scores(event: Event) -> Mapping[str, Any]:
    return {f"{kind} {name}": score for kind, found in event["scores"].items() for name, score in found.items()}


def _course(event: Event) -> Mapping[str, Any]:
    rates = {f"learning rate, {name}": rate for name, rate in event["lr"].items()}
    norms = {f"gradient norm, {name}": norm for name, norm in event["gradients"].items()}
    return rates | norms | {"crops/s": event["samples_per_second"]}


def _series(events: Sequence[Event], values: Callable[[Event], Mapping[str, Any]]) -> dict[str, Points]:
    """Curves by name; what was not finite is a gap that the line leads over."""
    series: dict[str, Points] = {}
    for event in events:
        for name, value in values(event).items():
            if value is not None:
                series.setdefault(name, []).append((event["iteration"], float(value)))
    return series


def _curves(events: Sequence[Event], values: Callable[[Event], Mapping[str, Any]]) -> list[dict[str, object]]:
    return [{"name": name, "points": _thinned(points)} for name, points in _series(events, values).items()]


def _thinned(points: Points) -> Points:
    """No more points than can be seen, the extremes among them."""
    if len(points) <= 2 * _MOST_PARTS:
        return points
    ends = [part * len(points) // _MOST_PARTS for part in range(_MOST_PARTS + 1)]
    thinned: Points = []
    for first, end in pairwise(ends):
        part = sorted(points[first:end], key=lambda point: point[1])
        thinned += sorted({part[0], part[-1]})
    return thinned


def _spread(pictures: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """The first, the last, and those between at even steps."""
    count = min(len(pictures), _MOST_SHEETS)
    places = {round(n * (len(pictures) - 1) / max(1, count - 1)) for n in range(count)}
    return [pictures[place] for place in sorted(places)]


def _pictures(folder: Path, pictures: Sequence[tuple[int, str]]) -> list[tuple[int, dict[str, object]]]:
    """Pictures of the run with their iterations; without data where a file is missing."""
    found = []
    for iteration, path in pictures:
        picture: dict[str, object] = {"path": path}
        try:
            image = pyvips.Image.new_from_file(str(folder / path), access="sequential")
            picture |= {"width": image.width, "height": image.height}
            picture["data"] = data_uri(image.jpegsave_buffer(Q=88, keep="none"))
        except pyvips.Error:
            pass
        found.append((iteration, picture))
    return found


def _repeat(start: Event) -> list[tuple[str, str]]:
    if not start:
        return []
    lines = [f"data SHA-256 {start.get('data', '')}"]
    lines += [f"{name} {version}" for name, version in start.get("versions", {}).items()]
    return [("Recipe", str(start.get("recipe", ""))), ("Data and versions", "\n".join(lines))]
