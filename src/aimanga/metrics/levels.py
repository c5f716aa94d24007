"""Gray levels as MATLAB computes them, and the smallest size of a picture."""

import torch
from torch import Tensor

from aimanga.errors import PictureError

# MATLAB's `rgb2gray` uses the first row of the inverse of NTSC's matrix, not the rounded 0.299 0.587 0.114.
_GRAY = (0.298936021293776, 0.587043074451121, 0.114020904255103)
_LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)
_STRIP_PIXELS = 2**18


def gray_levels(pictures: Tensor) -> Tensor:
    """Convert to gray like MATLAB's `rgb2gray` on 8 bits.

    Args:
        pictures: N x 3 x H x W, range [0, 1]; or N x 1 x H x W, which is gray already.

    Returns:
        N x 1 x H x W, uint8.
    """
    return _weighted(pictures, _GRAY, 0)


def luma_levels(pictures: Tensor) -> Tensor:
    """Convert to Y of BT.601 in video range like MATLAB's `rgb2ycbcr` on 8 bits.

    Args:
        pictures: N x 3 x H x W, range [0, 1].

    Returns:
        N x 1 x H x W, uint8, from 16 to 235.
    """
    return _weighted(pictures, _LUMA, 16)


def require_size(pictures: Tensor, metric: str, shorter: int, longer: int | None = None) -> None:
    """Refuse pictures that are too small.

    Args:
        pictures: N x C x H x W.
        metric: The metric, for the message.
        shorter: The minimum of the shorter side, in pixels.
        longer: The minimum of the longer side; by default the same.

    Raises:
        PictureError: They are too small.
    """
    height, width = pictures.shape[2:]
    longer = longer or shorter
    if min(height, width) < shorter or max(height, width) < longer:
        raise PictureError(f"{metric} needs {longer} x {shorter} pixels or more; this picture has {width} x {height}")


def _weighted(pictures: Tensor, weights: tuple[float, ...], offset: float) -> Tensor:
    count, channels, height, width = pictures.shape
    gray = torch.empty((count, 1, height, width), dtype=torch.uint8, device=pictures.device)
    # In strips, since float64, which the rounding needs, takes eight times the memory of the result.
    step = max(1, _STRIP_PIXELS // (count * width))
    for top in range(0, height, step):
        levels = (pictures[:, :, top : top + step].double() * 255).round_()
        if channels == 3:
            levels = torch.tensordot(levels, levels.new_tensor(weights), ([1], [0]))[:, None] + offset
        gray[:, :, top : top + step] = levels.add_(0.5).floor_()
    return gray
