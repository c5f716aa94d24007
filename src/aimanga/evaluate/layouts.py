"""The ways in which published test sets lie on a disk, each read by what it looks like.

| layout | what it looks like |
| --- | --- |
| `aimanga` | `manifest.json` of `aimanga testset build` |
| `realsr` | RealSR: `.../Canon/Test/4/Canon_001_HR.png` beside `Canon_001_LR4.png`; the camera is the category |
| `div2k` | DIV2K: `DIV2K_valid_HR/0801.png` and `DIV2K_valid_LR_bicubic/X4/0801x4.png`; a test set has no HR |
| `pairs` | two folders with pictures of equal names, one of them called HR, the other LR: Set5 and its like |
| `pictures` | any folder: pictures without a true one |

Sources: J. Cai et al., "Toward Real-World Single Image Super-Resolution", ICCV 2019, arXiv:1904.00523 (RealSR); E.
Agustsson, R. Timofte, "NTIRE 2017 Challenge on Single Image Super-Resolution: Dataset and Study", CVPRW 2017 (DIV2K).
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path

from aimanga.batch import find
from aimanga.errors import UsageError
from aimanga.images import READABLE_SUFFIXES

MANIFEST = "manifest.json"

_REALSR = re.compile(r"(?P<name>.+)_(?P<kind>HR|LR(?P<scale>\d))", re.IGNORECASE)
_SCALED = re.compile(r"(?P<name>.+?)[-_.]?x(?P<scale>\d)", re.IGNORECASE)
_HIGH = re.compile(r"(.*[-_ ])?(hr|gt|high|original)([-_ ].*)?", re.IGNORECASE)
_LOW = re.compile(r"(.*[-_ ])?(lr|low)([-_ ]?(x?\d|bicubic).*)?", re.IGNORECASE)
_SHOWN = 5


@dataclass(frozen=True)
class Case:
    """A picture to upscale.

    Attributes:
        name: What it is called in tables and results; no two of a set are called alike.
        low: Its file.
        high: What it should become; None where nobody knows.
        category: What it shows, or what took it; None where the set does not tell.
    """

    name: str
    low: Path
    high: Path | None
    category: str | None


@dataclass(frozen=True)
class PictureCases:
    """A test set.

    Attributes:
        folder: Where it lies.
        layout: How, see this module.
        scale: The factor between its pictures; None where it has no true ones to tell.
        cases: Its pictures, by name.
    """

    folder: Path
    layout: str
    scale: int | None
    cases: tuple[Case, ...]


def read_test_set(folder: str | Path, *, scale: int = 4) -> PictureCases:
    """Read a test set of any layout.

    Args:
        folder: Its folder.
        scale: Of sets that have several, such as RealSR and DIV2K, the factor to take.

    Raises:
        UsageError: The folder is missing or empty, or its layout is a known one that is not complete; the message says
            what was expected and what was found.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder")
    if (folder / MANIFEST).is_file():
        return _built(folder)
    files = find([folder], suffixes=READABLE_SUFFIXES, recursive=True)
    for reader in (_realsr, _div2k, _pairs):
        found = reader(folder, files, scale)
        if found is not None:
            return _named_apart(found)
    return _named_apart(
        PictureCases(folder, "pictures", None, tuple(Case(path.stem, path, None, None) for path in files))
    )


def _built(folder: Path) -> PictureCases:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        cases = tuple(
            Case(entry["name"], folder / entry["lr"], folder / entry["hr"], entry["category"])
            for entry in manifest["pictures"]
        )
        return PictureCases(folder, "aimanga", int(manifest["scale"]), cases)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: this is no manifest of a test set: {error!r}") from error


def _realsr(folder: Path, files: Sequence[Path], scale: int) -> PictureCases | None:
    """RealSR: files of one name that end in _HR and _LR2, _LR3, _LR4."""
    high: dict[tuple[Path, str], Path] = {}
    low: dict[tuple[Path, str], Path] = {}
    scales = set()
    for path in files:
        match = _REALSR.fullmatch(path.stem)
        if match is None:
            return None
        key = path.parent, match["name"]
        if match["scale"] is None:
            high[key] = path
        else:
            scales.add(int(match["scale"]))
            if int(match["scale"]) == scale:
                low[key] = path
    if not low:
        raise UsageError(f"{folder}: this is RealSR's layout, of scale {_listed(scales)}; _LR{scale} was expected")
    alone = sorted(f"{key[1]}_LR{scale} has no {key[1]}_HR" for key in low.keys() - high.keys())
    _complain(folder, "realsr", alone)
    parts = {part for key in low for part in key[0].relative_to(folder).parts}
    cameras = sorted(part for part in parts if part.lower() in {"canon", "nikon"})
    cases = [
        Case(name, path, high[parent, name], next((camera for camera in cameras if camera in parent.parts), None))
        for (parent, name), path in low.items()
    ]
    return PictureCases(folder, "realsr", scale, tuple(cases))


def _div2k(folder: Path, files: Sequence[Path], scale: int) -> PictureCases | None:
    """DIV2K: folders whose names have DIV2K, HR and LR in them, and NAMEx4 for NAME."""
    if not any(
        "DIV2K" in part.upper() for path in files for part in (folder.name, *path.relative_to(folder).parts[:-1])
    ):
        return None
    low: dict[str, Path] = {}
    high: dict[str, Path] = {}
    scales = set()
    for path in files:
        parts = path.relative_to(folder).parts[:-1]
        match = _SCALED.fullmatch(path.stem)
        if match is not None and any("LR" in part for part in (folder.name, *parts)):
            scales.add(int(match["scale"]))
            if int(match["scale"]) == scale:
                low[match["name"]] = path
        elif any("HR" in part for part in parts):
            high[path.stem] = path
        else:
            return None
    if not scales:
        return None
    if not low:
        raise UsageError(f"{folder}: this is DIV2K's layout, of scale {_listed(scales)}; NAMEx{scale} was expected")
    if high:
        _complain(folder, "div2k", sorted(f"{name}x{scale} has no {name}" for name in low.keys() - high.keys()))
    cases = tuple(Case(name, path, high.get(name), None) for name, path in low.items())
    return PictureCases(folder, "div2k", scale if high else None, cases)


def _pairs(folder: Path, files: Sequence[Path], scale: int) -> PictureCases | None:
    """Two folders of equal names."""
    folders = sorted(path for path in folder.iterdir() if path.is_dir())
    high = [path for path in folders if _HIGH.fullmatch(path.name)]
    low = [path for path in folders if _LOW.fullmatch(path.name)]
    if not high and not low:
        return None
    if len(low) > 1:
        low = [path for path in low if str(scale) in path.name]
    if len(high) != 1 or len(low) != 1:
        names = _listed(path.name for path in folders)
        raise UsageError(f"{folder}: one folder HR and one folder LR, or LRx{scale}, were expected; there are {names}")
    known = {_stem(path, high[0]): path for path in files if path.is_relative_to(high[0])}
    mine = [path for path in files if path.is_relative_to(low[0])]
    _complain(
        folder, "pairs", [f"{path} has no partner in {high[0]}" for path in mine if _stem(path, low[0]) not in known]
    )
    if not mine:
        raise UsageError(f"{low[0]}: no pictures found")
    cases = []
    for path in mine:
        stem = _stem(path, low[0])
        category = stem.rpartition("/")[0] or None
        cases.append(Case(stem.rpartition("/")[2], path, known[stem], category))
    return PictureCases(folder, "pairs", scale, tuple(cases))


def _stem(path: Path, folder: Path) -> str:
    """A path within a folder, less its suffix and a scale at its end."""
    stem = path.relative_to(folder).with_suffix("").as_posix()
    match = _SCALED.fullmatch(stem)
    return stem if match is None else match["name"]


def _named_apart(found: PictureCases) -> PictureCases:
    """Give pictures of equal names those of their folders, too, and order them."""
    counts = Counter(case.name for case in found.cases)
    cases = []
    for case in found.cases:
        place = case.low.relative_to(found.folder).with_suffix("").as_posix().replace("/", "_")
        cases.append(case if counts[case.name] == 1 else replace(case, name=place))
    return replace(found, cases=tuple(sorted(cases, key=attrgetter("name"))))


def _complain(folder: Path, layout: str, problems: Sequence[str]) -> None:
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise UsageError(f"{folder}: the layout {layout} is not complete: {'; '.join(problems[:_SHOWN])}{more}")


def _listed(things: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, things))) or "nothing"
