"""All that is measured of a picture, in one reading of its rows."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from aimanga.curate.blockiness import GridSteps
from aimanga.curate.colour import colourfulness
from aimanga.curate.detail import TileEnergies, TileMap
from aimanga.curate.sharpness import WINDOW, Spectra
from aimanga.curate.thumbnails import Averages
from aimanga.errors import PictureError
from aimanga.images import RowSource, Samples

FLAT = 6.0
"""A tile with less detail is flat: sky, paper, a background out of focus."""

SMALLEST = WINDOW
"""A side of a picture that can be measured, in pixels."""


_BLACK, _WHITE = 2, 253
_PIXELS_AT_ONCE = 2**17


@dataclass(frozen=True)
class Measures:
    """What is measured of a picture.

    Attributes:
        width: In pixels, right side up.
        height: Likewise.
        detail: How much fine structure it has, noise taken off: `detail.TileMap.mean`; gray levels a pixel.
        flatness: The share of its tiles that have hardly any, 0 to 1: below `FLAT`.
        sharpness: Whether it was enlarged or is blurred throughout: `sharpness.Spectra.finish`; a logarithm.
        blockiness: How visible the grid of JPEG is: `blockiness.GridSteps.finish`; a logarithm.
        noise: The deviation of its noise in gray levels of luma: `detail.TileMap.noise`.
        clipping: The share of pixels that are black (luma 2 and below) or white (253 and above), 0 to 1.
        colourfulness: Hasler and Suesstrunk's, 0 to about 150.
        text: The share of its tiles that look like letters or line art, 0 to 1: `detail.TileMap.text`.
    """

    width: int
    height: int
    detail: float
    flatness: float
    sharpness: float
    blockiness: float
    noise: float
    clipping: float
    colourfulness: float
    text: float

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Measures | None":
        """The numbers among others in a mapping, as JSON has them; None where a picture was too small for any.

        Raises:
            KeyError: Some are missing.
        """
        return cls(**{field.name: content[field.name] for field in fields(cls)}) if "detail" in content else None


@dataclass(frozen=True, eq=False)
class Measured:
    """A picture as it was measured.

    Attributes:
        measures: Its scores.
        tiles: Where in it the detail is.
        averages: The picture reduced by a whole number: h x w x 1 or 3, uint8.
    """

    measures: Measures
    tiles: TileMap
    averages: npt.NDArray[np.uint8]


def measure(picture: RowSource) -> Measured:
    """Measure a picture, reading its rows once; few of them are held.

    Of 16 bits the upper 8 are looked at, in the colour space that the picture has; transparency is not.

    Args:
        picture: A picture in memory, or a file.

    Raises:
        PictureError: It is smaller than `SMALLEST`, or damaged.
    """
    header = picture.header
    width, height = header.width, header.height
    if min(width, height) < SMALLEST:
        raise PictureError(f"{width} x {height} is too small to be measured: {SMALLEST} pixels a side are needed")
    energies, steps, spectra, averages = TileEnergies(width), GridSteps(width), Spectra(), Averages(width, height)
    clipped = 0
    for band in picture.bands(_band_height(width)):
        rows = Image.fromarray(_bytes(band[:, :, : header.colours]))
        # BT.601 luma, in a type that differences fit in.
        luma = np.asarray(rows.convert("L")).astype(np.int16)
        for collector in (energies, steps, spectra):
            collector.add(luma)
        averages.add(rows)
        clipped += int(np.count_nonzero(luma <= _BLACK) + np.count_nonzero(luma >= _WHITE))
    reduced = averages.finish()
    tiles = energies.finish()
    measures = Measures(
        width=width,
        height=height,
        detail=tiles.mean,
        flatness=tiles.flatness(FLAT),
        sharpness=spectra.finish(),
        blockiness=steps.finish(),
        noise=tiles.noise,
        clipping=clipped / (width * height),
        colourfulness=colourfulness(reduced),
        text=float(tiles.text.mean()),
    )
    return Measured(measures, tiles, reduced)


def _band_height(width: int) -> int:
    """Rows to look at together: whole tiles and windows, few enough for the processor's cache; 256 at most."""
    return WINDOW * min(4, max(1, _PIXELS_AT_ONCE // (width * WINDOW)))


def _bytes(samples: Samples) -> npt.NDArray[np.uint8]:
    if samples.dtype == np.uint16:
        samples = (samples >> 8).astype(np.uint8)
    return np.ascontiguousarray(samples[:, :, 0] if samples.shape[2] == 1 else samples)
