"""Find which result belongs to which picture, by what programs make of names."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aimanga.batch import find
from aimanga.errors import UsageError
from aimanga.evaluate import Case
from aimanga.evaluate.references import key_of
from aimanga.images import READABLE_SUFFIXES

_REST = re.compile(r"([-_.]?x\d+)?[-_. ].*", re.IGNORECASE)


def match_results(cases: Sequence[Case], folder: Path) -> Mapping[str, Path]:
    """Find the results of pictures in a folder and its subfolders.

    A result is called as its picture, as its input file, or so with a scale or anything else behind: `baby.png`,
    `babyx4.png`, `babyx4_out.jpg`, `baby-SwinIR.png`. The more exact name counts; `img_10` is none of `img_1`.

    Args:
        cases: The pictures.
        folder: Where the results are; it may be missing.

    Returns:
        Results by the names of the pictures; those that have none are left out.

    Raises:
        UsageError: A picture has several that are called alike, in different folders say.
    """
    if not folder.is_dir():
        return {}
    try:
        files = find([folder], suffixes=READABLE_SUFFIXES, recursive=True)
    except UsageError:  # an empty folder
        return {}
    found: dict[str, Path] = {}
    unclear: dict[str, list[Path]] = {}
    for fits in (_equal, _equal_but_for_scale, _begins):
        # What is one picture's by a more exact rule is no other's: `img_1_2.png` may be there beside `img_1.png`.
        free = [path for path in files if path not in found.values()]
        for case in cases:
            if case.name in found or case.name in unclear:
                continue
            candidates = [path for path in free if _fits(fits, path, case)]
            if len(candidates) > 1:
                unclear[case.name] = candidates
            elif candidates:
                found[case.name] = candidates[0]
    if unclear:
        problems = [f"{name}: {' or '.join(map(str, paths[:3]))}?" for name, paths in unclear.items()]
        raise UsageError(f"{folder}: several results for one picture: {'; '.join(problems[:5])}")
    return found


def _fits(rule: Callable[[Path, str], bool], path: Path, case: Case) -> bool:
    return any(rule(path, name) for name in (case.name, case.low.stem, key_of(case.low)))


def _equal(path: Path, name: str) -> bool:
    return path.stem == name


def _equal_but_for_scale(path: Path, name: str) -> bool:
    return key_of(path) == name


def _begins(path: Path, name: str) -> bool:
    # What follows the name and a scale is no part of another number or word.
    return path.stem.startswith(name) and _REST.fullmatch(path.stem[len(name) :]) is not None
