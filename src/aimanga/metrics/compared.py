"""Iterate over a picture and its reference, for full-reference metrics."""

from collections.abc import Iterator
from typing import Literal, get_args

from torch import Tensor

from aimanga.errors import PictureError
from aimanga.metrics.levels import require_size
from aimanga.tensors import luma

Channel = Literal["y", "rgb"]
"""y: Y of BT.601 in video range, not rounded. rgb: all three channels."""

_STRIP_PIXELS = 2**17


def check_same_size(pictures: Tensor, references: Tensor) -> None:
    """Refuse references of another size.

    Args:
        pictures: N x 3 x H x W.
        references: Likewise.

    Raises:
        PictureError: Their sizes differ.
    """
    if pictures.shape != references.shape:
        sizes = [f"{x.shape[3]} x {x.shape[2]}" for x in (pictures, references)]
        raise PictureError(f"the picture has {sizes[0]} pixels, its reference {sizes[1]}: the sizes must be equal")


def compared_strips(
    pictures: Tensor, references: Tensor, channel: Channel, shave: int, *, window: int = 1
) -> Iterator[tuple[Tensor, Tensor]]:
    """Shave the borders off pictures and references, and yield them in strips of rows.

    Args:
        pictures: N x 3 x H x W, range [0, 1].
        references: Likewise.
        channel: The channels to compare.
        shave: Pixels to remove at each border, after the sizes are cropped to a multiple of it.
        window: Rows of the metric's window: neighbouring strips overlap by all but one of them.

    Yields:
        Strips of the picture and of its reference, N x C x h x W, float64, range [0, 255].

    Raises:
        PictureError: The sizes differ, or what remains is smaller than the window.
        ValueError: There is no such channel.
    """
    if channel not in get_args(Channel):
        raise ValueError(f"the channel is y or rgb, not {channel}")
    check_same_size(pictures, references)
    multiple = max(1, shave)
    height, width = (side - side % multiple - 2 * shave for side in pictures.shape[2:])
    require_size(pictures, "the metric", -(-(window + 2 * shave) // multiple) * multiple)
    step = max(window, _STRIP_PIXELS // (len(pictures) * width))
    for top in range(0, height - window + 1, step):
        rows = slice(shave + top, shave + min(top + step + window - 1, height))
        cut = (slice(None), slice(None), rows, slice(shave, shave + width))
        strips = [x[cut].double() for x in (pictures, references)]
        if channel == "y":
            strips = [luma(strip) for strip in strips]
        yield strips[0] * 255, strips[1] * 255
