"""See what a recipe does: samples of one picture side by side, each with the steps that were drawn for it."""

from pathlib import Path

import numpy as np

from aimanga.degrade.drawing import degrade_pixels, draw_sample
from aimanga.degrade.options import PreviewOptions
from aimanga.degrade.recipe import load_degradation
from aimanga.errors import UsageError
from aimanga.images import Box, Picture, format_of, read, rgb, write
from aimanga.images.sheet import Cell, contact_sheet, enlarged
from aimanga.options import with_options

_NARROWEST = 280  # pixels of width that the labels need


@with_options
def preview_recipe(image: str | Path, output: str | Path, options: PreviewOptions = PreviewOptions()) -> Picture:
    """Write a contact sheet of a recipe: `preview_recipe("photo.jpg", "sheet.png", recipe="realesrgan")`.

    Args:
        image: A picture of good quality.
        output: The contact sheet.
        options: What it shows; each option can also be given as a keyword.

    Returns:
        The sheet, uint8, RGB.

    Raises:
        UsageError: The recipe cannot be used, or the picture is smaller than its scale.
        PictureError: The picture cannot be read, or the sheet not be written.
    """
    image, output = Path(image), Path(output)
    format_of(output)  # before the work
    sheet = preview_sheet(read(image, first_page=True), image.stem, options)
    write(sheet, output)
    return sheet


def preview_sheet(picture: Picture, name: str, options: PreviewOptions) -> Picture:
    """Make a contact sheet: the picture, and LR samples enlarged by repeating pixels.

    Sample n is drawn as `make_pairs` draws the pair NAME_n.png.

    Args:
        picture: Any.
        name: The stem of its file.
        options: What the sheet shows.

    Returns:
        The sheet, uint8, RGB.

    Raises:
        UsageError: The recipe cannot be used, or the picture is smaller than its scale.
    """
    recipe = load_degradation(options.recipe)
    scale = recipe.scale
    width, height = (min(options.crop, side) // scale * scale for side in (picture.width, picture.height))
    if not width or not height:
        raise UsageError(f"{picture.width} x {picture.height} is smaller than the scale {scale}, or the crop is")
    middle = Box((picture.width - width) // 2, (picture.height - height) // 2, width, height)
    high = np.ascontiguousarray(middle.of(rgb(picture).pixels))
    zoom = -(-_NARROWEST // width)
    cells = [Cell(enlarged(high, zoom), f"{name}: {width} x {height}", [f"seed {options.seed}"])]
    for number in range(1, options.samples + 1):
        sample = draw_sample(recipe, width, height, f"{name}_{number}.png", options.seed)
        low = degrade_pixels(high, sample)
        title = f"{number}: {low.shape[1]} x {low.shape[0]}"
        cells.append(Cell(enlarged(low, zoom * scale), title, [str(step) for step in sample.steps]))
    return contact_sheet(cells)
