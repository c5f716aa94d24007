"""Thumbnails: gray ones to find near-duplicates, and previews for the report."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

BAND = 64
"""Bands of `Reducer` have a multiple of this many rows."""

_LEAST_SIDE = 200
_MOST_PIXELS = 2**20
_PREVIEW_SIDE = 200
_PREVIEW_QUALITY = 75
_LONGEST_PROFILE = 4096

Bytes = npt.NDArray[np.uint8]


class Reducer:
    """Reduces a picture by a power of two, band by band: box averages.

    The power is the largest that leaves 200 pixels on the shorter side, or a larger one where more than a megapixel
    would be left. Rows and columns at the right and the bottom that do not fill a box are dropped.

    Args:
        width: Of the picture in pixels.
        height: Likewise.
    """

    def __init__(self, width: int, height: int) -> None:
        factor = 1
        while factor < BAND and (
            min(width, height) >= 2 * factor * _LEAST_SIDE or width * height > factor**2 * _MOST_PIXELS
        ):
            factor *= 2
        self._factor = factor
        self._rows: list[Bytes] = []

    def add(self, band: Image.Image) -> None:
        """Add the next rows: a multiple of `BAND` of them, except at the end."""
        width, height = (side // self._factor * self._factor for side in band.size)
        if height:
            self._rows.append(np.asarray(band.reduce(self._factor, (0, 0, width, height))))

    def finish(self) -> Bytes:
        """The reduced picture: h x w x 1 or 3."""
        rows = np.concatenate(self._rows)
        return rows[:, :, None] if rows.ndim == 2 else rows


def gray_thumbnail(reduced: Bytes, side: int) -> Bytes:
    """The luma of a reduced picture, resized to side x side by area averaging.

    Args:
        reduced: h x w x 1 or 3.
        side: In pixels.

    Returns:
        side x side.
    """
    return np.asarray(_image(reduced).convert("L").resize((side, side), Image.Resampling.BOX))


def preview(reduced: Bytes, icc: bytes | None) -> bytes:
    """A reduced picture as a JPEG file, 200 pixels a side at most.

    Args:
        reduced: h x w x 1 or 3.
        icc: Its colour profile.
    """
    image = _image(reduced)
    scale = min(1.0, _PREVIEW_SIDE / max(image.size))
    size = tuple(max(1, round(side * scale)) for side in image.size)
    encoded = io.BytesIO()
    # Each preview embeds the profile: a long one, such as a printer's, is not worth its bytes.
    fits = icc is not None and image.mode != "L" and len(icc) <= _LONGEST_PROFILE
    profile = {"icc_profile": icc} if fits else {}
    small = image.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    small.save(encoded, "JPEG", quality=_PREVIEW_QUALITY, **profile)
    return encoded.getvalue()


def _image(reduced: Bytes) -> Image.Image:
    return Image.fromarray(reduced[:, :, 0] if reduced.shape[2] == 1 else reduced)
