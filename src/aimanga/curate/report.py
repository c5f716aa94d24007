"""The HTML report of a selection: what `page.py` is given."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import Path

from aimanga.batch import Journal
from aimanga.curate.manifest import ManifestEntry
from aimanga.curate.page import Entry, Score, write_page
from aimanga.curate.screening import Screening, limits
from aimanga.curate.survey import preview_of
from aimanga.text import counted

# Browsers are slow to open a page with more previews; each takes about 6 KB.
_MOST_PREVIEWS = 5000

_MEANINGS = {
    "detail": ("Detail", "Gradient energy with noise subtracted; gray levels a pixel."),
    "flatness": ("Flatness", "The share of the picture with hardly any detail."),
    "sharpness": (
        "Sharpness",
        "Fine detail compared with coarse; low where the picture was enlarged or blurred.",
    ),
    "blockiness": ("Blockiness", "How visible the 8 x 8 grid of JPEG is."),
    "noise": ("Noise", "Standard deviation of the noise; gray levels of luma."),
    "clipping": ("Clipping", "The share of pixels that are black or white."),
    "colourfulness": ("Colourfulness", "0 is gray, 45 average, 80 highly colourful."),
    "text": ("Text", "The share of the picture that looks like text or line art."),
}


def write_report(path: Path, entries: Sequence[ManifestEntry], surveys: Journal, screening: Screening) -> None:
    """Write the HTML report of a selection.

    Args:
        path: The file.
        entries: The manifest.
        surveys: Holds the previews.
        screening: The thresholds.
    """
    bounds = {(limit.measure, limit.upper): limit.value for limit in limits(screening)}
    scores = [
        Score(name, title, meaning, bounds.get((name, False)), bounds.get((name, True)))
        for name, (title, meaning) in _MEANINGS.items()
    ]
    options = {name: f"{value:g}" for name, value in screening.model_dump().items()}
    title = f"{sum(entry.kept for entry in entries)} of {counted(len(entries), 'picture')}"
    write_page(path, title, scores, _page_entries(entries, surveys), options=options)


def _page_entries(entries: Sequence[ManifestEntry], surveys: Journal) -> Iterator[Entry]:
    # Evenly over the set, so that the page of a large one shows some of everything.
    step = max(1, -(-len(entries) // _MOST_PREVIEWS))
    for number, entry in enumerate(entries):
        scores = {} if entry.measures is None else {name: getattr(entry.measures, name) for name in _MEANINGS}
        has_preview = entry.measures is not None and number % step == 0
        yield Entry(
            name=entry.name,
            width=entry.width,
            height=entry.height,
            kept=entry.kept,
            reasons=tuple(reason.name for reason in entry.reasons),
            words=tuple(reason.words for reason in entry.reasons),
            scores=scores,
            group=entry.group,
            crops=tuple(astuple(crop.box) for crop in entry.crops),
            thumbnail=preview_of(surveys.values(Path(entry.file))) if has_preview else None,
            scene=entry.scene,
        )
