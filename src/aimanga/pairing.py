"""Which files show one picture: the rule by which LR, HR and results of methods are paired.

Stems are compared, in NFC; case counts. An equal stem is the best match. Else what programs and data sets add behind a
name is removed, as little as possible, and nothing but this:

| file | what is removed from its end, at scale 4 |
| --- | --- |
| HR | `_HR`, `_GT` |
| LR or a result | the scale: `x4`, `_x4`, `-x4`, `.x4`, `_4x`, `_SRF_4` |
| | the kind of picture: `_LR`, `_LR4`, `_LRBI`, `_bicLR`, `_LQ` |
| | a program's mark: `_out`, `_SR`, `_rlt`, `_SwinIR` ..., or the name of the method |

So `babyx4_out.png` is a result of `baby.png`, and `Canon_001_LR4.png` the LR of `Canon_001_HR.png`. Another number is
no scale: `fox1` and `fox2` are two pictures. What could belong to two files belongs to none.
"""

import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Generic, TypeVar
from unicodedata import normalize

Key = TypeVar("Key", bound=Hashable)

_HIGH = re.compile(r"[-_. ](HR|GT)\Z", re.IGNORECASE)

# What Real-ESRGAN, EDSR, ESRGAN, SwinIR, BSRGAN and Upscayl write behind the names of their results, and the like.
_PROGRAMS = ("out", "output", "result", "rlt", "SR", "SwinIR", "BSRGAN", "ESRGAN", "upscayl")


@dataclass(frozen=True)
class Name:
    """What a file may be called.

    Attributes:
        stems: How many endings were removed, by the stem that is left.
        folders: The names of the folders that it lies in, from the file up.
        suffix: Of the file.
    """

    stems: Mapping[str, int]
    folders: tuple[str, ...] = ()
    suffix: str = ""

    @property
    def shortest(self) -> str:
        """The stem without any of the endings."""
        return min(self.stems, key=len)


@dataclass(frozen=True)
class Pairs(Generic[Key]):
    """What was found.

    Attributes:
        found: The partners.
        unclear: Why there are none, in words, where several were possible.
        missing: What has no partner at all.
    """

    found: Mapping[Key, Path]
    unclear: Mapping[Key, str]
    missing: tuple[Key, ...]


def hr_name(path: Path, folder: Path | None = None) -> Name:
    """The name of an HR picture.

    Args:
        path: Its file.
        folder: Partners lie in the same subfolder of their folder as this one of `folder`; None for anywhere.
    """
    return _name(path, folder, _HIGH)


def lr_name(path: Path, scale: int, *, folder: Path | None = None, method: str = "") -> Name:
    """The name of an LR picture, or of what a method has made of one.

    Args:
        path: Its file.
        scale: The scale that may be in its name.
        folder: As for `hr_name`.
        method: The method's name, which may be in its name, too.
    """
    programs = "|".join(re.escape(normalize("NFC", name)) for name in (*_PROGRAMS, *filter(None, [method])))
    endings = (
        rf"[-_. ]?x{scale}",
        rf"[-_. ]{scale}x",
        rf"[-_.]SRF_?{scale}",
        rf"[-_. ](bic|bicubic)?L[RQ](BI|BD|DN)?{scale}?",
        rf"[-_. ]({programs})",
    )
    return _name(path, folder, re.compile(rf"({'|'.join(endings)})\Z", re.IGNORECASE))


def exact_name(*stems: str, folder: Path) -> Name:
    """The name of a picture that is called by any of these stems, and nothing else."""
    return Name({normalize("NFC", stem): 0 for stem in stems}, _folders(folder))


def pair(seekers: Mapping[Key, Name], files: Mapping[Path, Name]) -> Pairs[Key]:
    """Find for each seeker the one file that shows the same picture.

    The least endings removed count first, then the most folders of equal names, then an equal suffix. A file that two
    seekers would take is taken by neither.

    Args:
        seekers: Names of pictures.
        files: Names of possible partners; some may be left over.
    """
    by_stem: dict[str, list[Path]] = {}
    for path, name in files.items():
        for stem in name.stems:
            by_stem.setdefault(stem, []).append(path)
    best = {key: _best(name, files, by_stem) for key, name in seekers.items()}
    takers: dict[Path, list[Key]] = {}
    for key, choice in best.items():
        for path in choice:
            takers.setdefault(path, []).append(key)
    found, unclear = {}, {}
    for key, choice in best.items():
        if len(choice) > 1:
            unclear[key] = f"{key}: {_or(choice)}?"
        elif choice and len(takers[choice[0]]) > 1:
            unclear[key] = f"{choice[0]}: {_or(takers[choice[0]])}?"
        elif choice:
            found[key] = choice[0]
    return Pairs(found, unclear, tuple(key for key, choice in best.items() if not choice))


def _best(name: Name, files: Mapping[Path, Name], by_stem: Mapping[str, list[Path]]) -> list[Path]:
    ranks: dict[Path, tuple[int, int, bool]] = {}
    for stem, removed in name.stems.items():
        for path in by_stem.get(stem, ()):
            other = files[path]
            alike = sum(
                1 for _ in takewhile(lambda two: two[0] == two[1], zip(name.folders, other.folders, strict=False))
            )
            rank = (removed + other.stems[stem], -alike, name.suffix != other.suffix)
            ranks[path] = min(rank, ranks.get(path, rank))
    first = min(ranks.values(), default=None)
    return [path for path, rank in ranks.items() if rank == first]


def _name(path: Path, folder: Path | None, ending: re.Pattern[str]) -> Name:
    stem = normalize("NFC", path.stem if folder is None else path.relative_to(folder).with_suffix("").as_posix())
    stems = {stem: 0}
    while (shorter := ending.sub("", stem)) != stem and shorter and not shorter.endswith("/"):
        stem = shorter
        stems[stem] = len(stems)
    return Name(stems, _folders(path.parent) if folder is None else (), path.suffix)


def _folders(folder: Path) -> tuple[str, ...]:
    return tuple(normalize("NFC", part) for part in reversed(folder.parts))


def _or(things: Iterable[object]) -> str:
    return " or ".join(sorted(map(str, things)))
