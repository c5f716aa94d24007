"""Find for each picture the one that it is to be compared with."""

import os
import re
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path

from aimanga.batch import find
from aimanga.errors import UsageError
from aimanga.images import READABLE_SUFFIXES

_SCALE = re.compile(r"[-_.]?x\d+$", re.IGNORECASE)
_SHOWN = 5


def find_references(pictures: Iterable[Path], reference: Path) -> dict[Path, Path]:
    """Find the references of pictures by their names.

    `baby.png` belongs to `baby.png`, else to `baby` with another suffix; `babyx4.png` and `baby_x4.jpg`, as challenges
    and upscalers name results, belong to `baby`, too.

    Args:
        pictures: The pictures.
        reference: A folder, which is searched with its subfolders; or a file, the reference of every picture.

    Returns:
        Picture to reference.

    Raises:
        UsageError: The folder does not exist or has no pictures, a picture has no reference there, or several, or it
            would be its own.
    """
    pictures = tuple(pictures)
    if reference.is_file():
        return dict.fromkeys(pictures, reference)
    by_name: dict[str, list[Path]] = {}
    for path in find([reference], suffixes=READABLE_SUFFIXES, recursive=True):
        for key in {path.name, path.stem}:
            by_name.setdefault(key, []).append(path)
    found: dict[Path, Path] = {}
    problems: list[str] = []
    for picture in pictures:
        names = (picture.name, picture.stem, key_of(picture))
        candidates = next((by_name[name] for name in names if name in by_name), [])
        alike = [_common_folders(picture, candidate) for candidate in candidates]
        best = [candidate for candidate, count in zip(candidates, alike, strict=True) if count == max(alike)]
        if not best:
            problems.append(str(picture))
        elif len(best) > 1:
            problems.append(f"{picture} ({' or '.join(map(str, best))}?)")
        elif os.path.realpath(best[0]) == os.path.realpath(picture):
            problems.append(f"{picture} (but itself)")
        else:
            found[picture] = best[0]
    if problems:
        more = f", and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise UsageError(f"{reference}: there is no one reference for {', '.join(problems[:_SHOWN])}{more}")
    return found


def key_of(picture: Path) -> str:
    """The name of a picture without its suffix and without a scale at its end: `baby` of `baby_x4.png`."""
    return _SCALE.sub("", picture.stem)


def _common_folders(a: Path, b: Path) -> int:
    """How many folders above two files have the same names, counted from the files up."""
    pairs = zip(reversed(a.parent.parts), reversed(b.parent.parts), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
