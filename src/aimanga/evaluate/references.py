"""Find the ground truth of each picture."""

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from aimanga.batch import find
from aimanga.images import READABLE_SUFFIXES
from aimanga.pairing import hr_name, lr_name, pair
from aimanga.problems import Problems


def find_references(pictures: Iterable[Path], reference: Path, scale: int, *, method: str = "") -> dict[Path, Path]:
    """Find the references of pictures by their names; see `aimanga.pairing`.

    Pictures in different folders may have one reference: they may be results of several methods.

    Args:
        pictures: The pictures.
        reference: A folder, which is searched with its subfolders; or a file, the reference of every picture.
        scale: The scale that names may have in them.
        method: The method whose results they are; names may have it in them, too.

    Returns:
        Picture to reference.

    Raises:
        UsageError: The folder does not exist or has no pictures, a picture has no reference there, or several, or it
            would be its own.
    """
    pictures = tuple(pictures)
    if reference.is_file():
        return dict.fromkeys(pictures, reference)
    known = {path: hr_name(path) for path in find([reference], suffixes=READABLE_SUFFIXES, recursive=True)}
    folders: defaultdict[Path, list[Path]] = defaultdict(list)
    for picture in pictures:
        folders[picture.parent].append(picture)
    problems = Problems(most=5)
    found: dict[Path, Path] = {}
    for members in folders.values():
        pairs = pair({picture: lr_name(picture, scale, method=method) for picture in members}, known)
        found |= pairs.found
        problems.add(*map(str, pairs.missing), *dict.fromkeys(pairs.unclear.values()))
    for picture, path in found.items():
        if os.path.realpath(picture) == os.path.realpath(path):
            problems.add(f"{picture} (only itself)")
    problems.refuse(f"{reference}: no single reference, at scale {scale}, for")
    return {picture: found[picture] for picture in pictures}
