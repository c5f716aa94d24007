"""Alpha: colours under transparent pixels, and edges without fringes."""

from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from aimanga.upscale.rows import RowBuffer

_LEVELS = 6
_LARGEST_BLOCK = 2**_LEVELS


def bleed(rgb: Tensor, alpha: Tensor) -> Tensor:
    """Give fully transparent pixels the colour of what is visible near them.

    The colour of a hidden pixel is arbitrary, often black or white; a network would draw it as a fringe into
    the visible edge. Visible colours are averaged over blocks of 2, 4, ... 64 pixels; each hidden pixel takes
    the mean of the smallest block with visible pixels, blended smoothly. Farther away it becomes mid gray.

    Args:
        rgb: 1 x C x H x W, range [0, 1].
        alpha: 1 x 1 x H x W, 0 is transparent.

    Returns:
        1 x C x H x W, equal to `rgb` wherever `alpha` is above 0.
    """
    height, width = alpha.shape[2:]
    padding = (0, -width % _LARGEST_BLOCK, 0, -height % _LARGEST_BLOCK)
    # Averages weighted by opacity: an almost transparent pixel's colour is hardly known.
    pyramid = [(F.pad(rgb * alpha, padding), F.pad(alpha, padding))]
    for _ in range(_LEVELS):
        colour, weight = pyramid[-1]
        pyramid.append((F.avg_pool2d(colour, 2), F.avg_pool2d(weight, 2)))
    filled = torch.full_like(pyramid[-1][0], 0.5)
    for level, (colour, weight) in reversed(list(enumerate(pyramid))):
        if level < _LEVELS:
            filled = F.interpolate(filled, scale_factor=2, mode="bilinear", align_corners=False)
        known = (weight * 1e4).clamp(max=1)
        filled = filled + known * (colour / weight.clamp(min=1e-8) - filled)
    filled = filled[:, :, :height, :width]
    return torch.where(alpha > 0, rgb, filled)


def bleed_rows(bands: Iterable[Tensor], height: int) -> Iterator[Tensor]:
    """`bleed` for a picture that comes in bands, with the same result.

    Args:
        bands: 1 x (C + 1) x h x W, alpha the last channel.
        height: Height of the picture.

    Yields:
        Bands 1 x C x h' x W.
    """
    rows = RowBuffer()
    done = 0
    for band in bands:
        rows.append(band)
        # A pixel depends on the largest block that it lies in, and on the next one on each side.
        whole = rows.end == height
        stop = height if whole else (rows.end // _LARGEST_BLOCK - 1) * _LARGEST_BLOCK
        if stop <= done:
            continue
        above = max(0, done - _LARGEST_BLOCK)
        window = rows.between(above, height if whole else stop + _LARGEST_BLOCK)
        yield bleed(window[:, :-1], window[:, -1:])[:, :, done - above : stop - above]
        done = stop
        rows.forget(done - _LARGEST_BLOCK)


def bound_by_neighbours(
    upscaled: Iterable[Tensor], alpha: Iterator[Tensor], size: tuple[int, int], new_size: tuple[int, int]
) -> Iterator[Tensor]:
    """Keep an upscaled alpha channel within what the source has nearby.

    A network rings a little: without this bound, opaque areas get holes of 254 and empty ones a haze of 1.

    Args:
        upscaled: Bands 1 x 1 x h' x W' of the result, range about [0, 1].
        alpha: Bands 1 x 1 x h x W of the source, range [0, 1].
        size: Width and height of the source.
        new_size: Those of the result.

    Yields:
        Bands 1 x 1 x h' x W', between the minimum and the maximum of the 3 x 3 source pixels around.
    """
    (width, height), (new_width, new_height) = size, new_size
    columns = _nearest(0, new_width, width, new_width)
    rows = RowBuffer()
    done = 0
    for band in upscaled:
        nearest = _nearest(done, done + band.shape[2], height, new_height)
        start, stop = max(0, int(nearest[0]) - 1), min(height, int(nearest[-1]) + 2)
        while rows.end < stop:
            rows.append(next(alpha))
        window = rows.between(start, stop)
        highest, lowest = F.max_pool2d(window, 3, 1, 1), -F.max_pool2d(-window, 3, 1, 1)
        lowest, highest = (
            bound.index_select(2, (nearest - start).to(band.device)).index_select(3, columns.to(band.device))
            for bound in (lowest, highest)
        )
        yield band.clamp(lowest, highest)
        done += band.shape[2]
        rows.forget(start)


def _nearest(start: int, stop: int, length: int, new_length: int) -> Tensor:
    """For places `start` to `stop` of a result the places of the source in which their centres lie."""
    return (2 * torch.arange(start, stop) + 1) * length // (2 * new_length)
