"""Crops of all methods' results at the same place, where they differ most."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyvips

from aimanga.evaluate import Case
from aimanga.images import Box, Picture, Samples, read, rgb


def load_pictures(case: Case, results: Mapping[str, Path]) -> dict[str, Samples]:
    """Read the LR picture, the results of all methods, and the HR picture.

    Args:
        case: The picture.
        results: The results, by method.

    Returns:
        H x W x 3, uint8, by name: `LR`, the methods, and `HR` where it is known.
    """
    files = {"LR": case.low, **results} | ({} if case.high is None else {"HR": case.high})
    return {name: rgb(Picture(read(path).pixels)).pixels for name, path in files.items()}  # alpha is not scored, either


def most_different_crop(results: Sequence[Samples], width: int, height: int, scale: int) -> Box:
    """Find the crop where results differ most.

    Args:
        results: H x W x 3, uint8, all of one size; at least one.
        width: Of the crop, in pixels; the width of the picture where that is smaller.
        height: Likewise.
        scale: Left, top, width and height are multiples of it, so that the LR picture has the same crop.
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
    # A crop as large as the picture includes the incomplete cells at the right and the bottom.
    size = (min(side, whole // scale * scale) for side, whole in ((width, columns), (height, rows)))
    box_width, box_height = (side // scale * scale for side in size)
    return Box(
        min(int(left) * cell, columns - box_width) // scale * scale,
        min(int(top) * cell, rows - box_height) // scale * scale,
        box_width,
        box_height,
    )


def crop_all(pictures: Mapping[str, Samples], box: Box, scale: int) -> dict[str, Samples]:
    """The same crop of all pictures; `box` is in pixels of the results, `LR` is smaller by the scale."""
    return {name: (box.divided(scale) if name == "LR" else box).of(pixels) for name, pixels in pictures.items()}


def as_jpeg(pixels: Samples) -> bytes:
    """A JPEG file without visible artifacts: colours in full resolution."""
    image = pyvips.Image.new_from_array(pixels, interpretation="srgb")
    encoded: bytes = image.jpegsave_buffer(Q=92, subsample_mode="off", keep="none")
    return encoded


def _in_cells(values: npt.NDArray[np.float32], cell: int) -> npt.NDArray[np.float64]:
    """Means of cells; an incomplete cell at the right or the bottom is left out, unless there is no other."""
    rows, columns = values.shape
    if rows < cell or columns < cell:
        return np.full((1, 1), values.mean(dtype=np.float64))
    whole = values[: rows // cell * cell, : columns // cell * cell]
    cells = whole.reshape(rows // cell, cell, columns // cell, cell)
    return np.asarray(cells.mean((1, 3), dtype=np.float64))
