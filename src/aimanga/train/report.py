"""The report of a training: one HTML page with its curves, its scores, and what it makes of pictures."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pyvips

from aimanga.atomic import replacing
from aimanga.pages import data_uri, embedded_json, template
from aimanga.train.log import Event, read_log
from aimanga.train.validation import is_better, lower_is_better

FILE = "report.html"

# So many validations have their sheets in the page; each one is as large as a photo.
_MOST_SHEETS = 12
# So many points has a curve, twice for the extremes of each part.
_MOST_POINTS = 300
# Beginning with so many points a smoothed curve is drawn over them.
_SMOOTHED_FROM = 20

_WIDTH, _HEIGHT = 340, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 8, 8, 22

Points = Sequence[tuple[int, float]]


def write_report(folder: Path) -> Path:
    """Make the page of a run from its log and its pictures.

    Args:
        folder: The run's folder.

    Returns:
        The page; a former one is replaced.
    """
    events = read_log(folder)
    path = folder / FILE
    head, tail = template(Path(__file__).parent, "report", "aimanga train")
    with replacing(path) as part, part.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        file.write(head)
        for section in (_masthead(folder), _notices, _scores, _sheets(folder), _curves, _fed(folder), _recipe):
            file.writelines(f"{line}\n" for line in section(events))
        file.write(tail)
    return path


Section = Callable[[Sequence[Event]], Iterable[str]]


def _masthead(folder: Path) -> Section:
    def section(events: Sequence[Event]) -> Iterable[str]:
        starts, trains = _of("start", events), _of("train", events)
        start = starts[-1] if starts else {}
        iteration = max((event["iteration"] for event in events), default=0)
        total = start.get("iterations", iteration)
        seen = iteration * start.get("samples_per_iteration", 0)
        yield f'<header><p class="eyebrow">aimanga train</p><h1>{escape(folder.absolute().name)}</h1>'
        state = f"{_state(events)}: iteration {iteration:,} of {total:,}, {seen:,} squares seen"
        yield f'<p class="state">{escape(state)}</p>'
        speed = f", {trains[-1]['samples_per_second']:.1f} squares a second" if trains else ""
        networks = ", ".join(f"{name} {count:,} weights" for name, count in start.get("parameters", {}).items())
        about = (
            f"From {start.get('start', '?')}, {start.get('pictures', 0):,} pictures; {networks}. "
            f"{start.get('processes', 1)} x {start.get('device', '?')}, {start.get('precision', '?')}{speed}."
        )
        yield f'<p class="soft">{escape(about)}</p><p class="soft">{escape(start.get("description", ""))}</p></header>'

    return section


def _state(events: Sequence[Event]) -> str:
    last = events[-1] if events else {}
    if last.get("event") != "end":
        return "At work" if events else "Not begun"
    message = f" ({last['message']})" if last.get("message") else ""
    return f"{str(last['reason']).capitalize()}{message}"


def _notices(events: Sequence[Event]) -> Iterable[str]:
    # The same warning may come with each validation: the last one is enough.
    notices: dict[str, int] = {}
    for event in events:
        if event["event"] in ("warning", "rollback"):
            notices.pop(event["message"], None)
            notices[event["message"]] = event["iteration"]
    validations = _of("validation", events)
    if validations and validations[-1]["worse"]:
        worse = ", ".join(map(_words, validations[-1]["worse"]))
        notices[f"worse than the weights it started from, by {worse}"] = validations[-1]["iteration"]
    if notices:
        yield '<ul class="notices">'
        for message, iteration in notices.items():
            yield f"<li>Iteration {iteration:,}: {escape(message)}</li>"
        yield "</ul>"


def _scores(events: Sequence[Event]) -> Iterable[str]:
    series = _series_of(_of("validation", events), lambda event: _flat(event["scores"]))
    if not series:
        return
    yield '<section><h2>Scores</h2><div class="table"><table><thead><tr><th scope="col">Measure</th>'
    yield '<th scope="col">At first</th><th scope="col">Best</th><th scope="col">at iteration</th>'
    yield '<th scope="col">Last</th><th scope="col">against the start</th></tr></thead><tbody>'
    for name, points in series.items():
        measure = name.rpartition(" ")[2]
        best = points[0]
        for point in points:
            best = point if is_better(measure, point[1], best[1]) else best
        first, last = points[0][1], points[-1][1]
        mark, kind = "equal", ""
        if first != last:
            mark, kind = ("better", "better") if is_better(measure, last, first) else ("worse", "worse")
        arrow = "↓" if lower_is_better(measure) else "↑"
        yield (
            f'<tr><th scope="row">{escape(_words(name))} <span class="soft">{arrow}</span></th>'
            f"<td>{_number(first)}</td>"
            f"<td>{_number(best[1])}</td><td>{best[0]:,}</td><td>{_number(last)}</td>"
            f'<td class="{kind}">{mark}</td></tr>'
        )
    yield "</tbody></table></div></section>"


def _sheets(folder: Path) -> Section:
    def section(events: Sequence[Event]) -> Iterable[str]:
        validations = _of("validation", events)
        kinds = dict.fromkeys(kind for event in validations for kind in event["grids"])
        if kinds:
            yield "<section><h2>Pictures</h2>"
        for kind in kinds:
            shown = _chosen([event for event in validations if kind in event["grids"]])
            yield (
                f'<figure class="sheet"><figcaption class="steps"><h3>{escape(_words(kind)).capitalize()}</h3>'
                f'<input type="range" min="0" max="{len(shown) - 1}" value="{len(shown) - 1}" '
                f'aria-label="Validation"><output></output></figcaption>'
            )
            for number, event in enumerate(shown):
                hidden = "" if number == len(shown) - 1 else " hidden"
                text = f"iteration {event['iteration']:,}"
                yield _picture(folder / event["grids"][kind], text, hidden)
            yield "</figure>"
        if kinds:
            yield "</section>"

    return section


def _chosen(validations: Sequence[Event]) -> list[Event]:
    """The first, the last, and those between at even steps."""
    count = min(len(validations), _MOST_SHEETS)
    places = {round(n * (len(validations) - 1) / max(1, count - 1)) for n in range(count)}
    return [validations[place] for place in sorted(places)]


def _curves(events: Sequence[Event]) -> Iterable[str]:
    trains, validations = _of("train", events), _of("validation", events)
    groups = {
        "Losses": _series_of(trains, lambda event: {"difference": event["difference"], **event["losses"]}),
        "Measures": _series_of(validations, lambda event: _flat(event["scores"])),
        "Course": _series_of(
            trains,
            lambda event: {
                **{f"learning rate, {name}": rate for name, rate in event["lr"].items()},
                **{f"gradient, {name}": norm for name, norm in event["gradients"].items()},
                "squares a second": event["samples_per_second"],
            },
        ),
    }
    for title, series in groups.items():
        if series:
            yield f'<section><h2>{title}</h2><div class="curves">'
            for name, points in series.items():
                yield from _curve(_words(name), points)
            yield "</div></section>"


def _curve(title: str, points: Points) -> Iterable[str]:
    """One curve as SVG, with its points for the script."""
    points = _thinned(points)
    values = [value for _, value in points]
    logarithmic = min(values) > 0 and max(values) > 30 * min(values)
    scale = _Scale([math.log10(v) for v in values] if logarithmic else values, logarithmic)
    first, last = points[0][0], points[-1][0]
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x_of(iteration: int) -> float:
        return round(_LEFT + width * ((iteration - first) / (last - first) if last > first else 0.5), 1)

    def y_of(value: float) -> float:
        return round(_TOP + height * (1 - scale.share(math.log10(value) if logarithmic else value)), 1)

    def path(line: Points) -> str:
        return " ".join(f"{x_of(iteration)},{y_of(value)}" for iteration, value in line)

    data = embedded_json([(iteration, _number(value), x_of(iteration)) for iteration, value in points])
    yield (
        f'<figure class="curve"><header><h3>{escape(title)}</h3><output>{_number(values[-1])}</output></header>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" tabindex="0" data-points="{escape(data)}" '
        f'aria-label="{escape(title)}: {_number(values[0])} at {first:,}, {_number(values[-1])} at {last:,}">'
    )
    for tick in scale.ticks:
        y = y_of(tick)
        yield f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 3.5}" text-anchor="end">{_short(tick)}</text>'
    for iteration, anchor in dict.fromkeys(((first, "start"), (last, "end"))):
        if first == last:
            anchor = "middle"
        yield f'<text x="{x_of(iteration)}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{iteration:,}</text>'
        if first == last:
            break
    if len(points) >= _SMOOTHED_FROM:
        yield f'<polyline class="raw" points="{path(points)}"/>'
        yield f'<polyline class="smooth" points="{path(_smoothed(points))}"/>'
    else:
        yield f'<polyline class="smooth" points="{path(points)}"/>'
        for iteration, value in points:
            yield f'<circle class="dot" r="2.5" cx="{x_of(iteration)}" cy="{y_of(value)}"/>'
    yield f'<line class="cursor" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" x1="0" x2="0" hidden/></svg></figure>'


@dataclass(frozen=True)
class _Scale:
    """From values, or their logarithms, to the height of a curve."""

    values: Sequence[float]
    logarithmic: bool

    @property
    def _limits(self) -> tuple[float, float]:
        low, high = min(self.values), max(self.values)
        margin = 0.04 * (high - low) or 0.05 * abs(high) or 0.5
        return low - margin, high + margin

    def share(self, value: float) -> float:
        """0 at the bottom, 1 at the top."""
        low, high = self._limits
        return (value - low) / (high - low)

    @property
    def ticks(self) -> list[float]:
        """Round values to label."""
        low, high = self._limits
        if min(self.values) == max(self.values):
            return [self.values[0]]
        if self.logarithmic:
            powers = [10.0**power for power in range(math.ceil(low), math.floor(high) + 1)]
            return powers[:: max(1, math.ceil(len(powers) / 5))]
        step = 10 ** math.floor(math.log10(high - low))
        for part in (0.2, 0.5, 1.0, 2.0):
            if (high - low) / (step * part) <= 5:
                step *= part
                break
        first = math.ceil(low / step)
        return [number * step for number in range(first, math.floor(high / step) + 1)]


def _fed(folder: Path) -> Section:
    def section(events: Sequence[Event]) -> Iterable[str]:
        fed = _of("fed", events)
        if not fed:
            return
        yield "<section><h2>What it is fed</h2>"
        for event in [fed[0], fed[-1]] if len(fed) > 1 else fed:
            yield f"<details><summary>Iteration {event['iteration']:,}</summary>"
            yield _picture(folder / event["picture"], f"what the network is fed in iteration {event['iteration']:,}")
            yield "</details>"
        yield "</section>"

    return section


def _recipe(events: Sequence[Event]) -> Iterable[str]:
    starts = _of("start", events)
    if not starts:
        return
    start = starts[-1]
    versions = "\n".join(f"{name} {version}" for name, version in start.get("versions", {}).items())
    yield "<section><h2>How it was made</h2><details><summary>Recipe</summary>"
    yield f"<pre>{escape(str(start.get('recipe', '')))}</pre></details><details><summary>Data and versions</summary>"
    yield f"<pre>data SHA-256 {escape(str(start.get('data', '')))}\n{escape(versions)}</pre></details></section>"


def _picture(path: Path, text: str, attributes: str = "") -> str:
    """A picture of the run as a part of the page."""
    try:
        image = pyvips.Image.new_from_file(str(path), access="sequential")
        encoded = image.jpegsave_buffer(Q=88, keep="none")
    except pyvips.Error:
        return f'<p class="soft">{escape(text)}: {escape(str(path))} is not there any more</p>'
    size = f'width="{image.width}" height="{image.height}"'
    return f'<img src="{data_uri(encoded)}" {size} alt="{escape(text)}"{attributes}>'


def _of(kind: str, events: Sequence[Event]) -> list[Event]:
    return [event for event in events if event["event"] == kind]


def _flat(scores: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{kind} {measure}": score for kind, found in scores.items() for measure, score in found.items()}


def _series_of(
    events: Sequence[Event], values: Callable[[Event], Mapping[str, Any]]
) -> dict[str, list[tuple[int, float]]]:
    """Curves by name; what was not finite is a gap that the line leads over."""
    series: dict[str, list[tuple[int, float]]] = {}
    for event in events:
        for name, value in values(event).items():
            if value is not None:
                series.setdefault(name, []).append((event["iteration"], float(value)))
    return series


def _thinned(points: Points) -> Points:
    """No more points than can be seen: of each part the lowest and the highest."""
    if len(points) <= 2 * _MOST_POINTS:
        return points
    thinned = []
    for part in range(_MOST_POINTS):
        some = points[part * len(points) // _MOST_POINTS : (part + 1) * len(points) // _MOST_POINTS]
        extremes = {min(some, key=lambda point: point[1]), max(some, key=lambda point: point[1])}
        thinned += sorted(extremes)
    return thinned


def _smoothed(points: Points) -> Points:
    """The mean over a window of a tenth of the points."""
    reach = max(1, len(points) // 20)
    sums = [0.0]
    for _, value in points:
        sums.append(sums[-1] + value)
    smooth = []
    for place, (iteration, _) in enumerate(points):
        first, end = max(0, place - reach), min(len(points), place + reach + 1)
        smooth.append((iteration, (sums[end] - sums[first]) / (end - first)))
    return smooth


def _words(name: str) -> str:
    return name.replace("_", " ")


def _number(value: float) -> str:
    return f"{value:.4g}"


def _short(value: float) -> str:
    text = f"{value:.3g}"
    return "0" if float(text) == 0 else text
