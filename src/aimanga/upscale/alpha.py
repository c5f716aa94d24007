"""Transparency: what a network may see of hidden colours, and edges without fringes."""

import torch.nn.functional as F
from torch import Tensor

_LEVELS = 6


def bleed(rgb: Tensor, alpha: Tensor) -> Tensor:
    """Give fully transparent pixels the colour of what is visible near them.

    The colour of a hidden pixel is arbitrary, often black or white; a network would draw it as a fringe into
    the visible edge. Visible colours are averaged over squares of 2, 4, ... 64 pixels; each hidden pixel takes
    the average of the smallest square that sees anything, blended smoothly. Farther than that from anything
    visible it becomes mid gray, which nobody sees.

    Args:
        rgb: 1 x C x H x W, range [0, 1].
        alpha: 1 x 1 x H x W, 0 is transparent.

    Returns:
        1 x C x H x W, equal to `rgb` wherever `alpha` is above 0.
    """
    visible = (alpha > 0).to(rgb)
    # Averages weighted by opacity: an almost transparent pixel's colour is hardly known.
    pyramid = [(rgb * alpha, alpha)]
    for _ in range(_LEVELS):
        colour, weight = pyramid[-1]
        if max(weight.shape[2:]) == 1:
            break
        pyramid.append((F.avg_pool2d(colour, 2, ceil_mode=True), F.avg_pool2d(weight, 2, ceil_mode=True)))
    filled = rgb.new_full((1, rgb.shape[1], 1, 1), 0.5).expand_as(pyramid[-1][0])
    for colour, weight in reversed(pyramid):
        coarse = F.interpolate(filled, weight.shape[2:], mode="bilinear", align_corners=False)
        known = (weight * 1e4).clamp(max=1)
        filled = coarse + known * (colour / weight.clamp(min=1e-8) - coarse)
    return filled + visible * (rgb - filled)


def bound_by_neighbours(upscaled: Tensor, alpha: Tensor) -> Tensor:
    """Keep an upscaled alpha channel within what the source has nearby.

    A network rings a little: without this bound, opaque areas get holes of 254 and empty ones a haze of 1.

    Args:
        upscaled: 1 x 1 x H' x W', the result, range about [0, 1].
        alpha: 1 x 1 x H x W, the source, range [0, 1].

    Returns:
        1 x 1 x H' x W', between the minimum and the maximum of the 3 x 3 source pixels around.
    """
    size = upscaled.shape[2:]
    highest = F.interpolate(F.max_pool2d(alpha, 3, 1, 1), size, mode="nearest-exact")
    lowest = F.interpolate(-F.max_pool2d(-alpha, 3, 1, 1), size, mode="nearest-exact")
    return upscaled.clamp(lowest, highest)
