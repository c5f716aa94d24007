"""The report of a screening: one HTML file that shows the pictures, their scores, and why each is kept or not.

It opens from the disk, without a server and without the network. The page itself is `page.html`, `page.css` and
`page.js`; here they and the data become one file.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from aimanga.atomic import replacing
from aimanga.pages import data_uri, embedded_json, json_element, template

# Reasons that are not the name of a score, as the page calls them.
_REASONS = {
    "duplicate": "Near-duplicate",
    "scene": "Scene already shown",
    "rank": "Below the best",
    "side": "Too small",
    "unreadable": "Unreadable",
}


@dataclass(frozen=True)
class Score:
    """A number that pictures are judged by.

    Attributes:
        name: Its key in `Entry.scores`; a picture that is rejected for it has the same name among its reasons.
        title: As people read it.
        meaning: One sentence.
        low: Pictures below are rejected; None where there is no such bound.
        high: Pictures above are rejected; None where there is no such bound.
    """

    name: str
    title: str
    meaning: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Entry:
    """A picture.

    Attributes:
        name: As people read it; it may hold anything.
        width: In pixels; 0 where it cannot be read.
        height: Likewise.
        kept: Whether it is kept.
        reasons: Why not: names of scores, or `duplicate`, `scene`, `rank`, `side`, `unreadable`.
        words: The same as sentences.
        scores: By the name of the score; those that are missing or not finite are shown as unknown.
        group: The number of its group of near-duplicates.
        crops: Left, top, width, height of its detail areas, in pixels of the picture.
        thumbnail: A JPEG or WebP file with the proportions of the picture; None where there is none to be shown.
        scene: The number of its scene, where several pictures show it.
    """

    name: str
    width: int
    height: int
    kept: bool
    reasons: tuple[str, ...]
    words: tuple[str, ...]
    scores: Mapping[str, float]
    group: int | None
    crops: tuple[tuple[int, int, int, int], ...]
    thumbnail: bytes | None
    scene: int | None = None


def write_page(
    path: Path, title: str, scores: Sequence[Score], entries: Iterable[Entry], *, options: Mapping[str, str]
) -> None:
    """Write the report; the file is whole or absent.

    Memory grows with the number of the pictures, not with their thumbnails: these go into the file as they come.

    Args:
        path: The HTML file to make or replace; its folder must exist.
        title: The heading: what was screened.
        scores: The columns, in the order in which the page shows them.
        entries: The pictures, taken one after the other.
        options: How it was screened, to be shown as it is: name and value.
    """
    head, tail = template(Path(__file__).parent, "aimanga curate")
    pictures = []
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        file.write(head)
        for number, entry in enumerate(entries):
            if entry.thumbnail is not None:
                file.write(f'<script type="text/plain" id="thumbnail-{number}">{data_uri(entry.thumbnail)}</script>\n')
            pictures.append(_picture(entry, scores))
        report = {
            "title": title,
            "options": dict(options),
            "reasons": _REASONS,
            "scores": [{**asdict(score), "low": _finite(score.low), "high": _finite(score.high)} for score in scores],
        }
        file.write(json_element("report", report))
        file.write('<script type="application/json" id="pictures">[\n')
        file.write(",\n".join(pictures))
        file.write("\n]</script>\n")
        file.write(tail)


def _picture(entry: Entry, scores: Sequence[Score]) -> str:
    shown = {name: value for name, value in vars(entry).items() if name != "thumbnail"}
    return embedded_json({**shown, "scores": [_finite(entry.scores.get(score.name)) for score in scores]})


def _finite(number: float | None) -> float | None:
    """JSON has no infinity."""
    return float(number) if number is not None and math.isfinite(number) else None
