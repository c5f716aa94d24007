"""Small pictures of a picture: what people look at, and by which copies find each other."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

BAND = 64
"""Bands of `Averages` have a multiple of this many rows."""

_LEAST_SIDE = 200
_MOST_PIXELS = 2**20
_PREVIEW_SIDE = 200
_PREVIEW_QUALITY = 75
_LONGEST_PROFILE = 4096

Bytes = npt.NDArray[np.uint8]


class Averages:
    """Collects a picture reduced by a power of two from its bands: means of squares of pixels.

    The shorter side of what comes out is 200 pixels or more, where the picture's is and that makes no more than a
    megapixel. What does not fill a square, at the right and below, is left out.

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
        """Take the next rows, a multiple of `BAND` of them; only the last band may have others."""
        width, height = (side // self._factor * self._factor for side in band.size)
        if height:
            self._rows.append(np.asarray(band.reduce(self._factor, (0, 0, width, height))))

    def finish(self) -> Bytes:
        """The reduced picture: h x w x 1 or 3."""
        rows = np.concatenate(self._rows)
        return rows[:, :, None] if rows.ndim == 2 else rows


def gray_thumbnail(averages: Bytes, side: int) -> Bytes:
    """The luma of a reduced picture squeezed into a square by area averaging.

    Args:
        averages: h x w x 1 or 3.
        side: Of the square.

    Returns:
        side x side.
    """
    return np.asarray(_image(averages).convert("L").resize((side, side), Image.Resampling.BOX))


def preview(averages: Bytes, icc: bytes | None) -> bytes:
    """A reduced picture as a JPEG file, 200 pixels a side at most.

    Args:
        averages: h x w x 1 or 3.
        icc: The profile of its colours.
    """
    image = _image(averages)
    scale = min(1.0, _PREVIEW_SIDE / max(image.size))
    size = tuple(max(1, round(side * scale)) for side in image.size)
    encoded = io.BytesIO()
    # Every preview has one of its own: a long one, as of printers, is not worth its bytes.
    fits = icc is not None and image.mode != "L" and len(icc) <= _LONGEST_PROFILE
    profile = {"icc_profile": icc} if fits else {}
    small = image.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    small.save(encoded, "JPEG", quality=_PREVIEW_QUALITY, **profile)
    return encoded.getvalue()


def _image(averages: Bytes) -> Image.Image:
    return Image.fromarray(averages[:, :, 0] if averages.shape[2] == 1 else averages)
