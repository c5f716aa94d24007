"""Find which result is of which picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aimanga.batch import find
from aimanga.errors import UsageError
from aimanga.evaluate import Case
from aimanga.images import READABLE_SUFFIXES
from aimanga.pairing import exact_name, lr_name, pair
from aimanga.problems import Problems


def match_results(cases: Sequence[Case], folder: Path, scale: int, method: str) -> Mapping[str, Path]:
    """Find the results of pictures in a folder and its subfolders.

    A result is called as its picture or as its LR file, and may have a scale, a program's mark or the method's name
    behind it: `baby.png`, `babyx4.png`, `babyx4_out.jpg`, `baby_SwinIR.png`; see `aimanga.pairing`.

    Args:
        cases: The pictures.
        folder: Where the results are; it may be missing.
        scale: The scale.
        method: The name of the method.

    Returns:
        Results by the names of the pictures; those that have none are left out.

    Raises:
        UsageError: A picture has several that are named alike, or a result could be of several pictures.
    """
    try:
        files = find([folder], suffixes=READABLE_SUFFIXES, recursive=True)
    except UsageError:  # no folder, or an empty one
        return {}
    pairs = pair(
        {case.name: exact_name(case.name, case.low.stem, folder=case.low.parent) for case in cases},
        {path: lr_name(path, scale, method=method) for path in files},
    )
    problems = Problems(most=5)
    problems.add(*dict.fromkeys(pairs.unclear.values()))
    problems.refuse(f"{folder}: several results for one picture, or pictures for one result")
    return pairs.found
