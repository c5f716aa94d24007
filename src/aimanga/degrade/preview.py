"""See what a recipe does: samples of one picture side by side, and under each what was drawn for it."""

import numpy as np

from aimanga.degrade.drawing import degrade_pixels, draw_sample
from aimanga.degrade.pairs import PairOptions
from aimanga.errors import UsageError
from aimanga.images import Box, Picture, rgb
from aimanga.images.sheet import Cell, contact_sheet, enlarged

_NARROWEST = 280  # pixels of width that the labels need


def preview(picture: Picture, options: PairOptions, *, name: str = "picture", samples: int = 8) -> Picture:
    """Make a labelled contact sheet: the picture, and what a recipe makes of it, enlarged by repeating pixels.

    Sample n is drawn as `make_pairs` draws the pair NAME_n.png.

    Args:
        picture: Any.
        options: The recipe, the seed, and in `crop` how much of the picture's middle to show at most, 400 if None.
        name: The stem of its file.
        samples: How many.

    Returns:
        The sheet, uint8, RGB.

    Raises:
        UsageError: The picture is smaller than the recipe's scale, or there are no samples.
    """
    if samples < 1:
        raise UsageError(f"--samples {samples}: at least one is needed")
    scale = options.recipe.scale
    side = options.crop or 400
    width, height = (min(side, n) // scale * scale for n in (picture.width, picture.height))
    if not width or not height:
        raise UsageError(f"{picture.width} x {picture.height} is smaller than the scale {scale}, or than the crop")
    middle = Box((picture.width - width) // 2, (picture.height - height) // 2, width, height)
    high = np.ascontiguousarray(middle.of(rgb(picture).pixels))
    # Small pictures are enlarged for the text to have room.
    zoom = -(-_NARROWEST // width)
    cells = [Cell(enlarged(high, zoom), f"{name}: {width} x {height}", [f"seed {options.seed}"])]
    for number in range(1, samples + 1):
        sample = draw_sample(options.recipe, width, height, f"{name}_{number}.png", options.seed)
        low = degrade_pixels(high, sample)
        title = f"{number}: {low.shape[1]} x {low.shape[0]}"
        cells.append(Cell(enlarged(low, zoom * scale), title, [str(step) for step in sample.steps]))
    return contact_sheet(cells)
