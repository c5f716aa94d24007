"""Contact sheets: pictures side by side, with text under each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from aimanga.images.picture import Picture, Samples

_MARGIN, _TEXT_SIZE, _LINE_HEIGHT = 12, 13, 17
_PAPER, _INK, _TITLE = (255, 255, 255), (70, 70, 70), (0, 0, 0)


@dataclass(frozen=True, eq=False)
class Cell:
    """One picture of a sheet.

    Attributes:
        pixels: H x W x 3, uint8.
        title: The first line under it.
        lines: The lines that follow; text wider than the picture is cut off.
    """

    pixels: Samples
    title: str
    lines: Sequence[str] = ()


def enlarged(pixels: Samples, factor: int) -> Samples:
    """Enlarge H x W x C samples by a whole number, repeating each pixel."""
    return pixels.repeat(factor, 0).repeat(factor, 1)


def contact_sheet(cells: Sequence[Cell], columns: int | None = None) -> Picture:
    """Lay out pictures in a grid, unscaled.

    Args:
        cells: The pictures, in reading order; at least one.
        columns: Number of columns; None for about as many as rows.

    Returns:
        The sheet, uint8, RGB.
    """
    columns = columns or math.ceil(math.sqrt(len(cells)))
    columns = min(columns, len(cells))
    rows = math.ceil(len(cells) / columns)
    width = max(cell.pixels.shape[1] for cell in cells)
    height = max(cell.pixels.shape[0] for cell in cells)
    text = _LINE_HEIGHT * (1 + max(len(cell.lines) for cell in cells)) + 4
    sheet = Image.new(
        "RGB",
        (columns * (width + _MARGIN) + _MARGIN, rows * (height + text + _MARGIN) + _MARGIN),
        _PAPER,
    )
    font = ImageFont.load_default(_TEXT_SIZE)  # it comes with Pillow: a machine may have no fonts at all
    for number, cell in enumerate(cells):
        row, column = divmod(number, columns)
        left, top = _MARGIN + column * (width + _MARGIN), _MARGIN + row * (height + text + _MARGIN)
        sheet.paste(Image.fromarray(np.ascontiguousarray(cell.pixels)), (left, top))
        label = Image.new("RGB", (width, text), _PAPER)
        draw = ImageDraw.Draw(label)
        for place, line in enumerate((cell.title, *cell.lines)):
            draw.text((0, 4 + place * _LINE_HEIGHT), line, _INK if place else _TITLE, font)
        sheet.paste(label, (left, top + height))
    return Picture(np.asarray(sheet))
