"""Read test sets in the folder layouts of published ones; the layout is recognized.

| layout | what it looks like |
| --- | --- |
| `aimanga` | `manifest.json` of `aimanga testset build` |
| `realsr` | RealSR: `.../Canon/Test/4/Canon_001_HR.png` beside `Canon_001_LR4.png`; the camera is the category |
| `div2k` | DIV2K: `DIV2K_valid_HR/0801.png` and `DIV2K_valid_LR_bicubic/X4/0801x4.png`; a test set has no HR |
| `pairs` | two folders with the same pictures, one called HR or GT, the other LR: Set5 and its like |
| `pictures` | any other folder: pictures without ground truth |

Sources: J. Cai et al., "Toward Real-World Single Image Super-Resolution", ICCV 2019, arXiv:1904.00523 (RealSR); E.
Agustsson, R. Timofte, "NTIRE 2017 Challenge on Single Image Super-Resolution: Dataset and Study", CVPRW 2017 (DIV2K).
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path

from aimanga.batch import find
from aimanga.errors import UsageError
from aimanga.images import READABLE_SUFFIXES
from aimanga.pairing import hr_name, lr_name, pair
from aimanga.problems import Problems

MANIFEST = "manifest.json"

# By these layouts are recognized; which files belong together, `aimanga.pairing` knows.
_REALSR = re.compile(r".+_(?:HR|LR(\d))", re.IGNORECASE)
_SCALED = re.compile(r".+x(\d)", re.IGNORECASE)
_HIGH = re.compile(r"(.*[-_ ])?(hr|gt|high|original)([-_ ].*)?", re.IGNORECASE)
_LOW = re.compile(r"(.*[-_ ])?(lr|low)([-_ ]?(x?\d|bicubic).*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Case:
    """A picture of a test set.

    Attributes:
        name: Its name in tables and results, unique in the set.
        low: The LR file.
        high: The HR file; None if there is no ground truth.
        category: Its subject or camera; None if it is unknown.
    """

    name: str
    low: Path
    high: Path | None
    category: str | None


@dataclass(frozen=True)
class PictureCases:
    """A test set.

    Attributes:
        folder: Its folder.
        layout: Its layout, see this module.
        scale: The scale between LR and HR; None without HR.
        cases: Its pictures, sorted by name.
    """

    folder: Path
    layout: str
    scale: int | None
    cases: tuple[Case, ...]


def read_test_set(folder: str | Path, *, scale: int = 4) -> PictureCases:
    """Read a test set of any layout.

    Args:
        folder: Its folder.
        scale: The scale to use, of sets that have several, such as RealSR and DIV2K.

    Raises:
        UsageError: The folder is missing or empty, or a layout is incomplete; the message says what was expected and
            what was found.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder")
    if (folder / MANIFEST).is_file():
        return _built(folder)
    files = find([folder], suffixes=READABLE_SUFFIXES, recursive=True)
    for reader in (_div2k, _pairs, _realsr):
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
        raise UsageError(f"{path}: no manifest of a test set: {error!r}") from error


def _realsr(folder: Path, files: Sequence[Path], scale: int) -> PictureCases | None:
    """RealSR: files of one name that end in _HR and _LR2, _LR3, _LR4."""
    kinds = {path: _REALSR.fullmatch(path.stem) for path in files}
    if not all(kinds.values()):
        return None
    marks = {path: match[1] for path, match in kinds.items() if match is not None}
    low = [path for path, mark in marks.items() if mark == str(scale)]
    if not low:
        scales = _listed({mark for mark in marks.values() if mark})
        raise UsageError(f"{folder}: this is RealSR's layout, of scale {scales}; _LR{scale} was expected")
    cases = _paired(
        folder, "realsr", low, folder, [path for path, mark in marks.items() if mark is None], folder, scale
    )
    cases = tuple(replace(case, category=_camera(case.low.relative_to(folder))) for case in cases)
    return PictureCases(folder, "realsr", scale, cases)


def _camera(path: Path) -> str | None:
    return next((part for part in path.parts if part.lower() in ("canon", "nikon")), None)


def _div2k(folder: Path, files: Sequence[Path], scale: int) -> PictureCases | None:
    """DIV2K: folders whose names have DIV2K, HR and LR in them, and NAMEx4 for NAME."""
    if not any(
        "DIV2K" in part.upper() for path in files for part in (folder.name, *path.relative_to(folder).parts[:-1])
    ):
        return None
    low: list[Path] = []
    high: list[Path] = []
    scales = set()
    for path in files:
        parts = path.relative_to(folder).parts[:-1]
        match = _SCALED.fullmatch(path.stem)
        if match is not None and any("LR" in part for part in (folder.name, *parts)):
            scales.add(match[1])
            if match[1] == str(scale):
                low.append(path)
        elif any("HR" in part for part in parts):
            high.append(path)
        else:
            return None
    if not scales:
        return None
    if not low:
        raise UsageError(f"{folder}: this is DIV2K's layout, of scale {_listed(scales)}; NAMEx{scale} was expected")
    if not high:
        return PictureCases(
            folder, "div2k", None, tuple(Case(lr_name(path, scale).shortest, path, None, None) for path in low)
        )
    return PictureCases(folder, "div2k", scale, _paired(folder, "div2k", low, None, high, None, scale))


def _pairs(folder: Path, files: Sequence[Path], scale: int) -> PictureCases | None:
    """Two folders with the same pictures, HR and LR."""
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
    mine, theirs = ([path for path in files if path.is_relative_to(top)] for top in (low[0], high[0]))
    if not mine:
        raise UsageError(f"{low[0]}: no pictures found")
    cases = _paired(folder, "pairs", mine, low[0], theirs, high[0], scale)
    cases = tuple(replace(case, category=_category(case.low, low[0])) for case in cases)
    return PictureCases(folder, "pairs", scale, cases)


def _category(path: Path, folder: Path) -> str | None:
    return None if path.parent == folder else path.parent.relative_to(folder).as_posix()


def _paired(
    folder: Path,
    layout: str,
    low: Sequence[Path],
    low_folder: Path | None,
    high: Sequence[Path],
    high_folder: Path | None,
    scale: int,
) -> tuple[Case, ...]:
    """Pair all LR pictures with their HR pictures.

    Raises:
        UsageError: A picture has no partner, or it is ambiguous.
    """
    pairs = pair(
        {path: lr_name(path, scale, folder=low_folder) for path in low},
        {path: hr_name(path, high_folder) for path in high},
    )
    problems = Problems(most=5)
    problems.add(*(f"{path} has no partner in {high_folder or folder}" for path in pairs.missing))
    problems.add(*dict.fromkeys(pairs.unclear.values()))
    problems.refuse(f"{folder}: the layout {layout} is not complete")
    return tuple(Case(hr_name(true).shortest, path, true, None) for path, true in pairs.found.items())


def _named_apart(found: PictureCases) -> PictureCases:
    """Make the names unique, and sort by them."""
    names = unique_names({case.low: case.name for case in found.cases}, found.folder)
    cases = (replace(case, name=names[case.low]) for case in found.cases)
    return replace(found, cases=tuple(sorted(cases, key=attrgetter("name"))))


def unique_names(names: Mapping[Path, str], folder: Path) -> dict[Path, str]:
    """Names of files; where several have one, the path within `folder` instead."""
    counts = Counter(names.values())
    return {
        path: name if counts[name] == 1 else path.relative_to(folder).with_suffix("").as_posix().replace("/", "_")
        for path, name in names.items()
    }


def _listed(things: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, things))) or "nothing"
