"""What is known of each picture of a set, as it is kept from one run to the next."""

import base64
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aimanga.batch import Tick
from aimanga.curate.detail import TileMap
from aimanga.curate.duplicates import SIDE
from aimanga.curate.measure import SMALLEST, measure
from aimanga.curate.thumbnails import gray_thumbnail, preview
from aimanga.images import PictureFile
from aimanga.version import __version__

# Raised when a number is computed otherwise: what was measured before is measured again.
_EDITION = 1
# More digits are not the same on every processor.
_DIGITS = 5

Known = Mapping[str, Any]
"""Numbers and small pictures of a picture, as JSON has them: what `survey_file` gives."""


def survey_file(source: Path, tick: Tick, *, max_pixels: int, first_page: bool) -> Known:
    """Measure a picture, and make the small pictures of it that are needed later.

    Args:
        source: The picture.
        tick: Not told anything: a picture is soon measured.
        max_pixels: Refuse a picture of more pixels.
        first_page: Of an animation or a file of several pages take the first one, instead of refusing it.

    Raises:
        PictureError: It cannot be read.
    """
    state = source.stat()
    picture = PictureFile(source, max_pixels=max_pixels, first_page=first_page)
    header = picture.header
    size = {"width": header.width, "height": header.height, "bytes": state.st_size, "modified": state.st_mtime_ns}
    if min(header.width, header.height) < SMALLEST:
        return size
    measured = measure(picture)
    tiles = measured.tiles
    return {
        **size,
        **{name: round(value, _DIGITS) for name, value in asdict(measured.measures).items()},
        "gray": _text(gray_thumbnail(measured.averages, SIDE).tobytes()),
        "preview": _text(preview(measured.averages, header.icc)),
        "columns": tiles.detail.shape[1],
        "tiles": _text(tiles.detail.astype("<f2").tobytes()),
        "letters": _text(np.packbits(tiles.text).tobytes()),
    }


def survey_key(source: Path, *, max_pixels: int, first_page: bool) -> str:
    """What a survey of a file depends on: of the same key it need not be made again."""
    state = source.stat()
    what = (__version__, _EDITION, max_pixels, first_page, state.st_size, state.st_mtime_ns)
    return " ".join(map(str, what))


def gray_of(known: Known) -> npt.NDArray[np.uint8]:
    """The thumbnail by which copies find each other: `SIDE` x `SIDE`."""
    return np.frombuffer(_bytes(known["gray"]), np.uint8).reshape(SIDE, SIDE)


def preview_of(known: Known) -> bytes | None:
    """The preview, a JPEG file; None where there is none."""
    return _bytes(known["preview"]) if "preview" in known else None


def tiles_of(known: Known) -> TileMap:
    """The map of the detail."""
    detail = np.frombuffer(_bytes(known["tiles"]), "<f2").astype(np.float32).reshape(-1, known["columns"])
    text = np.unpackbits(np.frombuffer(_bytes(known["letters"]), np.uint8), count=detail.size).astype(bool)
    return TileMap(detail, text.reshape(detail.shape), known["noise"])


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
