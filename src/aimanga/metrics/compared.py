"""Two pictures side by side, as PSNR and SSIM look at them."""

from collections.abc import Iterator
from typing import Literal, get_args

from torch import Tensor

from aimanga.errors import PictureError
from aimanga.tensors import luma

Channel = Literal["y", "rgb"]
"""y: luma of BT.601 in video range, not rounded. rgb: all three channels."""

_STRIP_PIXELS = 2**17


def check_same_size(pictures: Tensor, references: Tensor) -> None:
    """See that pictures and references can be compared.

    Args:
        pictures: N x 3 x H x W.
        references: Likewise.

    Raises:
        PictureError: Their sizes differ.
    """
    if pictures.shape != references.shape:
        sizes = [f"{x.shape[3]} x {x.shape[2]}" for x in (pictures, references)]
        raise PictureError(f"the picture has {sizes[0]} pixels, its reference {sizes[1]}: only equal sizes compare")


def compared_strips(
    pictures: Tensor, references: Tensor, channel: Channel, shave: int, *, window: int = 1
) -> Iterator[tuple[Tensor, Tensor]]:
    """Cut the borders off two pictures and go over them in strips of rows.

    Args:
        pictures: N x 3 x H x W, range [0, 1].
        references: Likewise.
        channel: What is compared.
        shave: How many pixels are cut off each border, after the sizes were cut to a multiple of it.
        window: How many rows a result needs: neighbouring strips have all but one of them in common.

    Yields:
        Strips of the picture and of its reference, N x C x h x W, float64, range [0, 255].

    Raises:
        PictureError: The pictures differ in size, or less than the window is left of them.
        ValueError: There is no such channel.
    """
    if channel not in get_args(Channel):
        raise ValueError(f"pictures are compared in y or rgb, not in {channel}")
    check_same_size(pictures, references)
    multiple = max(1, shave)
    height, width = (side - side % multiple - 2 * shave for side in pictures.shape[2:])
    if min(height, width) < window:
        least = -(-(window + 2 * shave) // multiple) * multiple
        raise PictureError(f"pictures of {least} x {least} pixels or more are compared, not of less")
    step = max(window, _STRIP_PIXELS // (len(pictures) * width))
    for top in range(0, height - window + 1, step):
        rows = slice(shave + top, shave + min(top + step + window - 1, height))
        cut = (slice(None), slice(None), rows, slice(shave, shave + width))
        strips = [x[cut].double() for x in (pictures, references)]
        if channel == "y":
            strips = [luma(strip) for strip in strips]
        yield strips[0] * 255, strips[1] * 255
