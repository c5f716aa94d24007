"""The picture formats that are read and written, and their limits."""

from dataclasses import dataclass
from pathlib import Path

from aimanga.errors import PictureError, UsageError


@dataclass(frozen=True)
class Format:
    """A format that is written.

    Attributes:
        name: As given to `--format`; also the file name's suffix without the dot.
        suffixes: All suffixes of it, lower case, the usual one first.
        max_side: The largest width and height that it allows, in pixels.
        deep: Whether it stores more than 8 bits a sample.
        alpha: Whether it stores transparency.
        bytes_per_sample: Size on disk of one 8-bit sample of a smooth photo, for low estimates.
    """

    name: str
    suffixes: tuple[str, ...]
    max_side: int
    deep: bool
    alpha: bool
    bytes_per_sample: float

    @property
    def suffix(self) -> str:
        """The usual suffix, with its dot."""
        return self.suffixes[0]


FORMATS: tuple[Format, ...] = (
    Format("png", (".png",), 2**31 - 1, deep=True, alpha=True, bytes_per_sample=0.35),
    Format("jpg", (".jpg", ".jpeg", ".jpe", ".jfif"), 65500, deep=False, alpha=False, bytes_per_sample=0.1),
    Format("webp", (".webp",), 16383, deep=False, alpha=True, bytes_per_sample=0.06),
    Format("tiff", (".tif", ".tiff"), 2**31 - 1, deep=True, alpha=True, bytes_per_sample=0.5),
    Format("avif", (".avif",), 16384, deep=True, alpha=True, bytes_per_sample=0.1),
)

# Read only: their results are written as PNG.
_READ_ONLY_SUFFIXES = frozenset({".bmp", ".gif", ".heic", ".heif"})

READABLE_SUFFIXES = _READ_ONLY_SUFFIXES.union(*(form.suffixes for form in FORMATS))
"""Suffixes, lower case, of the files in a folder that are read as pictures."""


def format_of(path: Path) -> Format:
    """The format that a file's suffix asks for.

    Raises:
        PictureError: No format that is written has this suffix.
    """
    for form in FORMATS:
        if path.suffix.lower() in form.suffixes:
            return form
    known = " ".join(form.suffix for form in FORMATS)
    raise PictureError(f"{path}: pictures are written as {known}, not as {path.suffix or 'a file without suffix'}")


def format_named(name: str) -> Format:
    """The format of a name as users write it: `png`, `JPEG`, `.tif`.

    Raises:
        UsageError: There is no such format.
    """
    for form in FORMATS:
        if f".{name.lower().removeprefix('.')}" in (*form.suffixes, f".{form.name}"):
            return form
    raise UsageError(f"--format {name}: pictures are written as {', '.join(form.name for form in FORMATS)}")


def output_suffix(source: Path) -> str:
    """The suffix of a result in the format of its source: the same, or `.png` where that is not written."""
    if any(source.suffix.lower() in form.suffixes for form in FORMATS):
        return source.suffix
    return ".png"
