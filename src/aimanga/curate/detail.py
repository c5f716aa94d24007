"""Detail: the gradient energy of a picture, tile by tile, with noise subtracted.

Sources: E. Krotkov, "Focusing", Int. J. of Computer Vision 1, 1987 (gradient energy as a measure of focus: Tenengrad);
J. Immerkaer, "Fast noise variance estimation", Computer Vision and Image Understanding 64(2), 1996 (the mask that
responds to noise and little else). Their combination was chosen on photos: `benchmarks/curate.py` measures it.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

TILE = 32
"""Side of a tile in pixels."""

Plane = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float32]

# Noise of sigma s adds 4 s^2 to the gradient energy: two squared differences of two samples each. A quarter more is
# subtracted, since the energies of single tiles scatter around their mean.
_NOISE_IN_GRADIENT = 4 * 1.25
# The squared coefficients of [1 -2 1] times [1 -2 1] sum up to this.
_NOISE_IN_MASK = 36
# A tile without an edge of this many gray levels holds no text.
_EDGE_OF_LETTERS = 80
# Text stands on even ground: this share of the steps between neighbours is at most one level.
_PAPER_AMONG_LETTERS = 0.5


@dataclass(frozen=True, eq=False)
class TileMap:
    """Tiles of 32 x 32 pixels, row by row from the upper left; the rest at the right and the bottom is dropped.

    Attributes:
        detail: Rows x columns, float32, gray levels a pixel: the roots of the gradient energies at full, half and
            quarter resolution, noise subtracted, summed.
        text: Rows x columns, bool: hard edges on even ground, such as text, lines and screenshots.
        noise: Standard deviation of the noise in gray levels.
    """

    detail: Floats
    text: npt.NDArray[np.bool_]
    noise: float

    @property
    def mean(self) -> float:
        """The detail of the picture, in gray levels a pixel; photos have 5 to 100."""
        return float(self.detail.mean(dtype=np.float64))

    def flatness(self, limit: float) -> float:
        """The share of tiles whose detail is below `limit`, 0 to 1."""
        return float((self.detail < limit).mean())


class TileEnergies:
    """Accumulates the energies of tiles, band by band.

    Args:
        width: Of the picture, at least `TILE` pixels.
    """

    def __init__(self, width: int) -> None:
        self._columns = width // TILE
        self._energies: list[list[Floats]] = [[], [], []]
        self._mask: list[Floats] = []
        self._level: list[Floats] = []
        self._text: list[npt.NDArray[np.bool_]] = []

    def add(self, luma: Plane) -> None:
        """Add the next rows: H x W, 0 to 255; H is a multiple of `TILE`, except at the end."""
        rows = len(luma) // TILE
        if not rows:
            return
        planes = luma[: rows * TILE, : self._columns * TILE].reshape(rows, TILE, -1)
        # Integers throughout, so that the sums are exact: 16 bits hold all differences and sums of 4 x 4 samples.
        step = planes[:, :, 1:] - planes[:, :, :-1]
        self._mask.extend(self._mean_square(_second_difference(step[:, :, 1:] - step[:, :, :-1]), TILE))
        coarser = planes
        for scale, energies in enumerate(self._energies):
            if scale:
                coarser = _halved(coarser)  # sums, not means: 4 times as large at each scale
            energies.extend(self._gradient_energy(coarser, TILE >> scale) / 16**scale)
        self._level.extend(self._per_tile(coarser.sum(1, dtype=np.int32), TILE >> 2) / np.float32(TILE**2))
        np.abs(step, out=step)
        even = self._per_tile((step <= 1).view(np.int8).sum(1, dtype=np.int8), TILE) / np.float32(TILE**2)
        edge = np.maximum.reduceat(step.max(1), self._starts(TILE), axis=1)
        self._text.extend((edge >= _EDGE_OF_LETTERS) & (even >= _PAPER_AMONG_LETTERS))

    def _gradient_energy(self, planes: Plane, tile: int) -> Floats:
        across, down = planes[:, :, 1:] - planes[:, :, :-1], planes[:, 1:] - planes[:, :-1]
        return self._mean_square(across, tile) + self._mean_square(down, tile)

    def _mean_square(self, response: Plane, tile: int) -> Floats:
        exact = response.astype(np.int32)
        return self._per_tile(np.einsum("tij,tij->tj", exact, exact), tile) / np.float32(tile * response.shape[1])

    def _per_tile(self, columns: npt.NDArray[np.signedinteger], tile: int) -> Floats:
        """Sums of columns to sums of tiles; a difference belongs to its left column, so the last one is missing."""
        return np.add.reduceat(columns, self._starts(tile), axis=1, dtype=np.int64).astype(np.float32)

    def _starts(self, tile: int) -> npt.NDArray[np.intp]:
        return np.arange(0, self._columns * tile, tile)

    def finish(self) -> TileMap:
        """The map of all rows."""
        variance = self._noise_variance()
        detail = sum(
            np.sqrt(np.maximum(np.stack(energies) - np.float32(_NOISE_IN_GRADIENT * variance / 4**scale), 0))
            for scale, energies in enumerate(self._energies)
        )
        return TileMap(np.asarray(detail, np.float32), np.stack(self._text), math.sqrt(variance))

    def _noise_variance(self) -> float:
        """The mask's response in the smoothest quarter of the tiles, without those that are nearly black or white."""
        level, response = np.stack(self._level), np.stack(self._mask)
        exposed = (level > 20) & (level < 235)
        if exposed.sum() < 4:
            exposed[:] = True
        return float(np.quantile(response[exposed], 0.25)) / _NOISE_IN_MASK


def _second_difference(planes: Plane) -> Plane:
    """[1 -2 1] down the columns."""
    result = planes[:, 2:] + planes[:, :-2]
    result -= planes[:, 1:-1]
    result -= planes[:, 1:-1]
    return result


def _halved(planes: Plane) -> Plane:
    """Sums of 2 x 2 samples; the sides are even."""
    rows = planes[:, 0::2] + planes[:, 1::2]
    return rows[:, :, 0::2] + rows[:, :, 1::2]
