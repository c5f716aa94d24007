"""What the page of a benchmark shows: all scores, and the pictures that tell most."""

from collections.abc import Collection, Iterator, Mapping
from itertools import zip_longest

import pyvips

from aimanga.benchmark.crops import all_pictures, cut, part_that_differs
from aimanga.benchmark.findings import PROGRAMS, Findings, input_hashes, protocols, set_in_words
from aimanga.benchmark.page import Mean, Measure, Page, PageCase, PageSet, Shown
from aimanga.benchmark.results import EXPENSES, SetResult
from aimanga.config import to_toml
from aimanga.evaluate import Case
from aimanga.images import Samples
from aimanga.version import versions

# Larger pictures are shown in part: a page of forty with five methods each has about 30 MB.
_LARGEST = 640
_EXTREMES = 3
_NOTICES = 12


def page_of(findings: Findings) -> Page:
    """Gather what the page shows."""
    planned = findings.planned
    rooms = _rooms({name: len(found.common) for name, found in findings.sets.items()}, planned.recipe.page_pictures)
    texts = {
        "Command": planned.command,
        "Recipe": to_toml(planned.recipe),
        "Protocols": "\n".join(f"{title}: {protocol}" for title, protocol in protocols(findings).items()),
        "Versions": "\n".join(f"{name} {version}" for name, version in versions(*PROGRAMS).items()),
        "SHA-256 of the inputs": "\n".join(
            f"{digest}  {name}/{case}"
            for name, found in findings.sets.items()
            for case, digest in input_hashes(found).items()
        ),
    }
    return Page(
        planned.recipe.title,
        planned.recipe.description.strip(),
        findings.words,
        planned.baseline,
        [_page_set(found, rooms[name], planned.sets[name].scale) for name, found in findings.sets.items()],
        _notices(findings.failures),
        {title: text for title, text in texts.items() if text},
    )


def _notices(failures: list[str]) -> list[str]:
    more = len(failures) - _NOTICES
    return [*failures[:_NOTICES], *([f"and {more} more, see benchmark.json"] if more > 0 else [])]


def _rooms(pictures: Mapping[str, int], room: int) -> dict[str, int]:
    """How many pictures of each set are shown: as many of each; what one does not need the others have."""
    shares = dict.fromkeys(pictures, 0)
    for _ in range(min(room, sum(pictures.values()))):
        smallest = min((name for name in shares if shares[name] < pictures[name]), key=shares.__getitem__)
        shares[smallest] += 1
    return shares


def _page_set(found: SetResult, room: int, scale: int) -> PageSet:
    shown = set(_telling(found, room))
    measures = [
        Measure(metric.name, metric.title, metric.better, 3, f"{metric.protocol} ({metric.source})")
        for metric in found.measured
    ]
    measures += [
        Measure(expense.name, expense.title, "lower", expense.digits, expense.about)
        for expense in EXPENSES
        if found.expenses(expense)
    ]
    best = {column.title: column.best() for column in found.columns()}
    means = {name: dict(_means(found, name, best)) for name in found.methods}
    cases = []
    for name, case in found.cases.items():
        scores = {
            method: result.scores[name].values for method, result in found.methods.items() if name in result.scores
        }
        problems = {
            method: "; ".join(told) for method, result in found.methods.items() if (told := result.problems_of(name))
        }
        picture = _shown(found, case, scale) if name in shown else None
        cases.append(PageCase(name, case.category, scores, problems, picture))
    about = f"{set_in_words(found)}{', too few to tell differences from chance' if found.too_few else ''}."
    return PageSet(found.name, about, measures, means, cases)


def _means(found: SetResult, method: str, best: Mapping[str, Collection[str]]) -> Iterator[tuple[str, Mean]]:
    """The means of a method by measure; `best` are the best methods by the measures' titles."""
    for metric in found.measured:
        mean, interval = found.mean(method, metric.name), found.interval(method, metric.name)
        if mean is not None:
            yield (
                metric.name,
                Mean(
                    mean,
                    len(found.values(method, metric.name)),
                    None if interval is None else interval.low,
                    None if interval is None else interval.high,
                    method in best[metric.title],
                    found.significance.get((method, metric.name)),
                ),
            )
    result = found.methods[method]
    for expense in EXPENSES:
        value = expense.value(result)
        if value is not None:
            yield expense.name, Mean(value, len(result.costs), best=method in best[expense.title])


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


def _shown(found: SetResult, case: Case, scale: int) -> Shown:
    results = found.files_of(case.name)
    pictures = all_pictures(case, results)
    height, width = pictures[next(iter(results))].shape[:2]
    box = part_that_differs([pictures[name] for name in results], _LARGEST, _LARGEST, scale)
    part = ""
    if (box.width, box.height) != (width, height):
        part = (
            f"{box.width} x {box.height} of {width} x {height} pixels, from {box.left}, {box.top}: "
            "where the methods differ most"
        )
    return Shown(
        {name: _encoded(pixels) for name, pixels in cut(pictures, box, scale).items()}, box.width, box.height, part
    )


def _encoded(pixels: Samples) -> bytes:
    """A JPEG file of which the eye sees no damage: colours in full resolution."""
    image = pyvips.Image.new_from_array(pixels, interpretation="srgb")
    encoded: bytes = image.jpegsave_buffer(Q=92, subsample_mode="off", keep="none")
    return encoded
