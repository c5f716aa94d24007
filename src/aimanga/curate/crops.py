"""The crops of a picture that have the most detail."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aimanga.curate.detail import TILE, TileMap
from aimanga.curate.measure import FLAT
from aimanga.images import Box

_MOST_FLAT = 0.1
_MOST_TEXT = 0.05

Grid = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Crop:
    """A crop of a picture.

    Attributes:
        box: Where it is.
        detail: The mean detail of its tiles, in gray levels a pixel.
        output: Its file, relative to the manifest's folder; None where none is written.
    """

    box: Box
    detail: float
    output: str | None = None


def detailed_crops(
    tiles: TileMap,
    width: int,
    height: int,
    size: int,
    count: int,
    *,
    avoid_blur: bool = False,
    avoid_text: bool = False,
) -> list[Crop]:
    """Find the crops with the most detail, greedily and without overlap, on the grid of tiles (every 32 pixels).

    Args:
        tiles: The picture's.
        width: Of the picture, in pixels.
        height: Likewise.
        size: Side of a crop in pixels.
        count: Number of crops at most.
        avoid_blur: Skip crops of which more than 10 % is flat: sky, or an out-of-focus background.
        avoid_text: Skip crops of which more than 5 % looks like text.

    Returns:
        The crops, best first; fewer than `count` where no more fit, none where the picture is smaller than `size`.
    """
    if min(width, height) < size:
        return []
    rows, columns = ((side - size) // TILE + 1 for side in (height, width))
    mean = _means(tiles.detail, size, rows, columns)
    free = np.ones((rows, columns), bool)
    if avoid_blur:
        free &= _means(tiles.detail < FLAT, size, rows, columns) <= _MOST_FLAT
    if avoid_text:
        free &= _means(tiles.text, size, rows, columns) <= _MOST_TEXT
    reach = -(-size // TILE)  # crops this many tiles apart do not overlap
    found: list[Crop] = []
    while len(found) < count and free.any():
        # Of equal ones argmax takes the first, so the same picture gives the same crops.
        row, column = divmod(int(np.where(free, mean, -1).argmax()), columns)
        found.append(Crop(Box(column * TILE, row * TILE, size, size), float(mean[row, column])))
        free[max(0, row - reach + 1) : row + reach, max(0, column - reach + 1) : column + reach] = False
    return found


def _means(values: npt.NDArray[np.generic], size: int, rows: int, columns: int) -> Grid:
    """The mean of the tiles in each crop: rows x columns of them, one at every tile."""
    grid = values.astype(np.float64)
    for count in (rows, columns):
        grid = _sums(grid, size, count).T
    return grid / (size / TILE) ** 2


def _sums(grid: Grid, size: int, count: int) -> Grid:
    """Sums down the columns over `size` pixels, from each of the first `count` tiles on."""
    whole, part = divmod(size, TILE)
    # The rest at the edge of a picture, less than a tile, is taken to be like the last tile.
    needed = count + whole + (part > 0) - 1
    grid = np.pad(grid, ((0, max(0, needed - len(grid))), (0, 0)), mode="edge")
    sums = np.pad(np.cumsum(grid, axis=0), ((1, 0), (0, 0)))
    result = sums[whole : whole + count] - sums[:count]
    if part:
        result = result + grid[whole : whole + count] * (part / TILE)
    return np.asarray(result)
