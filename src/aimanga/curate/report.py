"""What the page of a screening shows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple
from pathlib import Path

from aimanga.batch import Journal
from aimanga.curate.manifest import Line
from aimanga.curate.page import Entry, Score, write_page
from aimanga.curate.screening import Screening, limits
from aimanga.curate.survey import preview_of

# More previews make a page that browsers are slow to open; about 6 KB each.
_MOST_PREVIEWS = 5000

_MEANINGS = {
    "detail": ("Detail", "How much fine structure there is, noise taken off; gray levels a pixel."),
    "flatness": ("Flatness", "The share of the picture that has hardly any detail."),
    "sharpness": (
        "Sharpness",
        "Whether it has the fine detail that its size promises; less where it was enlarged or blurred.",
    ),
    "blockiness": ("Blockiness", "How visible the 8 x 8 grid of JPEG is."),
    "noise": ("Noise", "The deviation of the noise; gray levels of luma."),
    "clipping": ("Clipping", "The share of pixels that are black or white."),
    "colourfulness": ("Colourfulness", "0 is gray, 45 average, 80 highly colourful."),
    "text": ("Text", "The share of the picture that looks like letters or line art."),
}


def write_report(path: Path, lines: Sequence[Line], known: Journal, screening: Screening) -> None:
    """Write the page of a screening.

    Args:
        path: The file.
        lines: The manifest.
        known: Has the previews.
        screening: The thresholds.
    """
    bounds = {(limit.measure, limit.upper): limit.value for limit in limits(screening)}
    scores = [
        Score(name, title, meaning, bounds.get((name, False)), bounds.get((name, True)))
        for name, (title, meaning) in _MEANINGS.items()
    ]
    options = {name: f"{value:g}" for name, value in screening.model_dump().items()}
    write_page(
        path,
        f"{sum(line.kept for line in lines)} of {len(lines)} pictures",
        scores,
        _entries(lines, known),
        options=options,
    )


def _entries(lines: Sequence[Line], known: Journal) -> Iterator[Entry]:
    # Evenly over the set, so that a page of a large one shows some of everything.
    step = max(1, -(-len(lines) // _MOST_PREVIEWS))
    for number, line in enumerate(lines):
        scores: Mapping[str, float] = {}
        if line.measures is not None:
            scores = {name: value for name, value in asdict(line.measures).items() if name in _MEANINGS}
        has_preview = line.measures is not None and number % step == 0
        yield Entry(
            name=line.name,
            width=line.width,
            height=line.height,
            kept=line.kept,
            reasons=tuple(reason.name for reason in line.reasons),
            words=tuple(reason.words for reason in line.reasons),
            scores=scores,
            group=line.group,
            crops=tuple(astuple(saved.crop.box) for saved in line.crops),
            thumbnail=preview_of(known.values(Path(line.file))) if has_preview else None,
            scene=line.scene,
        )
