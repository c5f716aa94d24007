"""Draw a pair: the crop, and what is done to it. Both follow from the seed and the pair's name alone."""

from pathlib import Path

import numpy as np
import torch
from torch import Generator

from aimanga.degrade.manifest import Pair
from aimanga.degrade.options import PairOptions
from aimanga.degrade.pipeline import degrade
from aimanga.degrade.recipe import Recipe
from aimanga.degrade.steps import Sample, draw
from aimanga.errors import PictureError
from aimanga.hashing import seed_of
from aimanga.images import Box, PictureFile, Samples
from aimanga.tensors import from_array, to_array


def draw_pair(source: Path, name: str, recipe: Recipe, options: PairOptions) -> Pair:
    """Draw the pair of a picture; only the picture's header is read.

    Args:
        source: The HR picture.
        name: The name of the pair's files; pairs of different names are drawn independently.
        recipe: The degradation.
        options: The crop, the seed and the limit of the size. Without a crop the box is the largest whose sides are
            multiples of the scale.

    Raises:
        PictureError: The picture cannot be read, or is smaller than the crop.
    """
    crop, seed = options.crop, options.seed
    header = PictureFile(source, max_pixels=options.max_pixels, first_page=True).header
    width, height, scale = header.width, header.height, recipe.scale
    if min(width, height) < (crop or scale):
        smallest = f"the crop of {crop}" if crop else f"scale {scale}"
        raise PictureError(f"{source}: {width} x {height} is smaller than {smallest}")
    box = Box(0, 0, width // scale * scale, height // scale * scale)
    if crop is not None:
        generator = Generator().manual_seed(seed_of(seed, name, "place"))
        left, top = (int(torch.randint(0, side - crop + 1, (), generator=generator)) for side in (width, height))
        box = Box(left, top, crop, crop)
    sample = draw_sample(recipe, box.width, box.height, name, seed)
    return Pair(f"LR/{name}", f"HR/{name}", str(source), box, sample)


def draw_sample(recipe: Recipe, width: int, height: int, name: str, seed: int) -> Sample:
    """Draw the degradation of a pair by its name, as `draw_pair` does; the sides are multiples of the scale."""
    return draw(recipe, height, width, seed_of(seed, name, "sample"))


def degrade_pixels(pixels: Samples, sample: Sample) -> Samples:
    """Degrade the pixels of one picture.

    Args:
        pixels: H x W x 3, uint8.
        sample: Drawn for this size.

    Returns:
        h x w x 3, uint8.
    """
    return to_array(degrade(from_array(pixels), [sample]), np.uint8)
