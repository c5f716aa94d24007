"""Survey a picture: its scores, tile map and thumbnails as JSON values, which a journal caches between runs."""

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
from aimanga.hashing import file_key
from aimanga.images import PictureFile

# Increase this when a value is computed in another way: cached surveys are then discarded.
_EDITION = 1
# More digits differ between processors.
_DIGITS = 5

Survey = Mapping[str, Any]
"""The JSON values of `survey_file`."""


def survey_file(source: Path, tick: Tick, *, max_pixels: int, first_page: bool) -> Survey:
    """Survey a picture file.

    Args:
        source: The file.
        tick: Not called: a picture takes a moment.
        max_pixels: Refuse a picture with more pixels.
        first_page: Read the first page of animations and multi-page files, instead of refusing them.

    Raises:
        PictureError: The file cannot be read.
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
        "gray": _encoded(gray_thumbnail(measured.reduced, SIDE).tobytes()),
        "preview": _encoded(preview(measured.reduced, header.icc)),
        "columns": tiles.detail.shape[1],
        "tiles": _encoded(tiles.detail.astype("<f2").tobytes()),
        "letters": _encoded(np.packbits(tiles.text).tobytes()),
    }


def survey_key(source: Path, *, max_pixels: int, first_page: bool) -> str:
    """Everything that the survey of a file depends on; under an equal key a cached one is used."""
    return file_key(source, _EDITION, max_pixels, first_page)


def gray_of(survey: Survey) -> npt.NDArray[np.uint8]:
    """The thumbnail that near-duplicates are found by: `SIDE` x `SIDE`."""
    return np.frombuffer(base64.b64decode(survey["gray"]), np.uint8).reshape(SIDE, SIDE)


def preview_of(survey: Survey) -> bytes | None:
    """The preview, a JPEG file; None where there is none."""
    return base64.b64decode(survey["preview"]) if "preview" in survey else None


def tiles_of(survey: Survey) -> TileMap:
    """The tile map."""
    detail = np.frombuffer(base64.b64decode(survey["tiles"]), "<f2").astype(np.float32).reshape(-1, survey["columns"])
    text = np.frombuffer(base64.b64decode(survey["letters"]), np.uint8)
    return TileMap(detail, np.unpackbits(text, count=detail.size).astype(bool).reshape(detail.shape), survey["noise"])


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
