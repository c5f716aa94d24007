"""The report of a benchmark: one HTML file with tables, plots, and all methods side by side on every picture."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from aimanga.pages import data_uri, write_html


@dataclass(frozen=True)
class Measure:
    """What methods are compared by: a metric, or what they cost.

    Attributes:
        name: What it is called in `Mean` and `PageCase`.
        title: What it is called on the page.
        better: Whether a good method's value is high or low.
        digits: So many are shown behind the point.
        about: Its protocol and source, for those who want to repeat it.
    """

    name: str
    title: str
    better: Literal["lower", "higher"]
    digits: int
    about: str


@dataclass(frozen=True)
class Mean:
    """A method's value on a set.

    Attributes:
        value: The mean.
        count: Over so many pictures.
        low: From where the mean over all pictures of the kind may lie; None where that is not known.
        high: To where.
        best: Whether no method is better.
        p: The probability that a method that is no better or worse than the baseline differs from it so much; None for
            the baseline, and where that is not known.
    """

    value: float
    count: int
    low: float | None = None
    high: float | None = None
    best: bool = False
    p: float | None = None


@dataclass(frozen=True)
class Shown:
    """A picture, or the same part of it, as all methods have made it.

    Attributes:
        pictures: JPEG or WebP files: `LR` first, the input; then the methods by name; `HR` last, where it is known.
        width: Of what the methods have made, in pixels; the input is smaller by the scale.
        height: Likewise.
        part: Which part of the picture it is, in words; empty for the whole of it.
    """

    pictures: Mapping[str, bytes]
    width: int
    height: int
    part: str = ""


@dataclass(frozen=True)
class PageCase:
    """A picture of a set.

    Attributes:
        name: Its name.
        category: Its category; None where the set has none.
        scores: By method, then by measure.
        problems: What went wrong, by method, in words.
        shown: What it looks like; None where the page has no room for it.
    """

    name: str
    category: str | None
    scores: Mapping[str, Mapping[str, float]]
    problems: Mapping[str, str]
    shown: Shown | None


@dataclass(frozen=True)
class PageSet:
    """A test set.

    Attributes:
        name: Its name.
        about: What it is, in a sentence.
        measures: By what the methods are compared on it; those of a metric are those of `PageCase.scores`, too.
        means: By method, then by measure; a method may lack one.
        cases: Its pictures.
    """

    name: str
    about: str
    measures: Sequence[Measure]
    means: Mapping[str, Mapping[str, Mean]]
    cases: Sequence[PageCase]


@dataclass(frozen=True)
class Page:
    """All that a report tells.

    Attributes:
        title: Its title.
        description: What is compared, in words; may be empty.
        methods: What each is, in words, by its name, in order.
        baseline: The method that the others are compared with.
        sets: The test sets.
        notices: What the reader must know first: metrics without weights, pictures that failed.
        repeat: All that is needed to repeat it: texts, by their titles.
    """

    title: str
    description: str
    methods: Mapping[str, str]
    baseline: str
    sets: Sequence[PageSet]
    notices: Sequence[str]
    repeat: Mapping[str, str]


def write_page(content: Page, path: Path) -> None:
    """Write a report.

    Args:
        content: What it says.
        path: The HTML file; an existing one is replaced. The same content gives the same bytes.
    """
    # As lists: among the keys of an object JavaScript puts numbers first, and a method may be called 2.
    ordered = {"methods": list(content.methods.items()), "repeat": list(content.repeat.items())}
    write_html(path, Path(__file__).parent, "aimanga benchmark", _plain(content) | ordered)


def _plain(value: Any) -> Any:  # noqa: ANN401  any part of a page
    """A page as JSON has it: pictures are URIs, infinities are text that JavaScript reads, NaN is null or left out."""
    if isinstance(value, bytes):
        return data_uri(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: part for name, part in ((name, _plain(part)) for name, part in value.items()) if part is not None}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(map(_plain, value))
    return value
