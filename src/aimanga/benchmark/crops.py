"""Parts of pictures to look at: the same part of all methods' results, where they differ most."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aimanga.evaluate import Case
from aimanga.images import Box, Samples, read
from aimanga.tensors import from_array, to_array


def all_pictures(case: Case, results: Mapping[str, Path]) -> dict[str, Samples]:
    """A picture as it comes, as methods have made it, and as it should be.

    Args:
        case: The picture.
        results: The methods' results, by their names.

    Returns:
        H x W x 3, uint8: `LR`, the methods, and `HR` where it is known.
    """
    files = {"LR": case.low, **results} | ({} if case.high is None else {"HR": case.high})
    return {name: eight_bits(read(path).pixels) for name, path in files.items()}


def part_that_differs(results: Sequence[Samples], width: int, height: int, scale: int) -> Box:
    """Find the part of a picture where results differ most.

    Args:
        results: H x W x 3, uint8, all of one size; at least one.
        width: Of the part, in pixels; the whole width where the picture is narrower.
        height: Likewise.
        scale: Left, top, width and height are multiples of it, so that the part has one in the input.
    """
    cell = scale * -(-8 // scale)
    rows, columns = results[0].shape[:2]
    lowest, highest = results[0], results[0]
    for picture in results[1:]:
        lowest, highest = np.minimum(lowest, picture), np.maximum(highest, picture)
    cells = _in_cells((highest - lowest).mean(2, dtype=np.float32), cell)
    high, wide = min(height // cell, cells.shape[0]) or 1, min(width // cell, cells.shape[1]) or 1
    sums = np.pad(cells.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    windows = sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    # What is left over at the right and the bottom belongs to a part that is as large as the picture.
    size = (min(side, whole // scale * scale) for side, whole in ((width, columns), (height, rows)))
    box_width, box_height = (side // scale * scale for side in size)
    return Box(
        min(int(left) * cell, columns - box_width) // scale * scale,
        min(int(top) * cell, rows - box_height) // scale * scale,
        box_width,
        box_height,
    )


def cut(pictures: Mapping[str, Samples], box: Box, scale: int) -> dict[str, Samples]:
    """The same part of all pictures; of the input, `LR`, the one that becomes it."""
    return {name: (box.divided(scale) if name == "LR" else box).of(pixels) for name, pixels in pictures.items()}


def _in_cells(values: npt.NDArray[np.float32], cell: int) -> npt.NDArray[np.float64]:
    """Means of squares; what does not fill one at the right and the bottom is left out, unless it is all there is."""
    rows, columns = values.shape
    if rows < cell or columns < cell:
        return np.full((1, 1), values.mean(dtype=np.float64))
    whole = values[: rows // cell * cell, : columns // cell * cell]
    squares = whole.reshape(rows // cell, cell, columns // cell, cell)
    return np.asarray(squares.mean((1, 3), dtype=np.float64))


def eight_bits(pixels: Samples) -> npt.NDArray[np.uint8]:
    """Samples as H x W x 3, uint8, rounded."""
    if pixels.dtype != np.uint8:
        pixels = to_array(from_array(pixels), np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
