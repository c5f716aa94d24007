"""Measure a picture, reading its rows once."""

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
from aimanga.curate.thumbnails import Reducer
from aimanga.errors import PictureError
from aimanga.images import RowSource, Samples

FLAT = 6.0
"""Tiles with less detail are flat: sky, paper, an out-of-focus background."""

SMALLEST = WINDOW
"""The smallest side of a picture that can be measured, in pixels."""


_BLACK, _WHITE = 2, 253
_PIXELS_AT_ONCE = 2**17


@dataclass(frozen=True)
class Measures:
    """The scores of a picture.

    Attributes:
        width: In pixels, right side up.
        height: Likewise.
        detail: Mean gradient energy in gray levels a pixel, noise subtracted: `detail.TileMap.mean`.
        flatness: The share of tiles whose detail is below `FLAT`, 0 to 1.
        sharpness: Log ratio of fine to coarse power, low where enlarged or blurred: `sharpness.Spectra.finish`.
        blockiness: Log ratio of the steps at the JPEG grid to the others: `blockiness.GridSteps.finish`.
        noise: Standard deviation of the noise in gray levels of luma: `detail.TileMap.noise`.
        clipping: The share of pixels that are black (luma 2 and below) or white (253 and above), 0 to 1.
        colourfulness: Hasler and Suesstrunk's, 0 to about 150.
        text: The share of tiles that look like text or line art, 0 to 1: `detail.TileMap.text`.
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

    @property
    def side(self) -> int:
        """The shorter side."""
        return min(self.width, self.height)

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Measures | None":
        """Pick the scores from a mapping that has them among others; None for a picture too small to be measured.

        Raises:
            KeyError: Some are missing.
        """
        return cls(**{field.name: content[field.name] for field in fields(cls)}) if "detail" in content else None


@dataclass(frozen=True, eq=False)
class Measured:
    """The result of `measure`.

    Attributes:
        measures: The scores.
        tiles: The map of the detail.
        reduced: The picture reduced by a power of two: h x w x 1 or 3, uint8.
    """

    measures: Measures
    tiles: TileMap
    reduced: npt.NDArray[np.uint8]


def measure(picture: RowSource) -> Measured:
    """Measure a picture band by band, in little memory.

    Of 16 bits the upper 8 are used, in the picture's own colour space; transparency is ignored.

    Args:
        picture: A picture in memory, or a file.

    Raises:
        PictureError: It is smaller than `SMALLEST`, or damaged.
    """
    header = picture.header
    width, height = header.width, header.height
    if min(width, height) < SMALLEST:
        raise PictureError(f"{width} x {height} is too small to be measured: {SMALLEST} pixels a side are needed")
    energies, steps, spectra, reducer = TileEnergies(width), GridSteps(width), Spectra(), Reducer(width, height)
    clipped = 0
    for band in picture.bands(_band_height(width)):
        rows = Image.fromarray(_bytes(band[:, :, : header.colours]))
        # BT.601 luma, in a type that differences fit in.
        luma = np.asarray(rows.convert("L")).astype(np.int16)
        for collector in (energies, steps, spectra):
            collector.add(luma)
        reducer.add(rows)
        clipped += int(np.count_nonzero(luma <= _BLACK) + np.count_nonzero(luma >= _WHITE))
    reduced = reducer.finish()
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
    """Rows a band: whole tiles and windows, few enough for the processor's cache; 256 at most."""
    return WINDOW * min(4, max(1, _PIXELS_AT_ONCE // (width * WINDOW)))


def _bytes(samples: Samples) -> npt.NDArray[np.uint8]:
    if samples.dtype == np.uint16:
        samples = (samples >> 8).astype(np.uint8)
    return np.ascontiguousarray(samples[:, :, 0] if samples.shape[2] == 1 else samples)
