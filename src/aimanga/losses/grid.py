"""The grid loss: what a residual has at the frequencies of a 2 x 2 or 4 x 4 grid, the checkerboards of PixelShuffle.

`aimanga.metrics.artifacts` measures the same in flat areas. The loss itself is this project's.
"""

from torch import Tensor

from aimanga.losses.operands import matched
from aimanga.tensors import grid_frequencies, hann_power

_BLOCK = 16
# Far below one level of 255: the magnitude has a gradient at 0, too.
_SMALLEST = 1e-4


def grid(x: Tensor, target: Tensor) -> Tensor:
    """Compute the mean magnitude of the residual's spectrum at the frequencies of a grid.

    Those are half and a quarter of a cycle a pixel, along one axis or both, in blocks of 16 x 16 pixels under a Hann
    window, one every 8 pixels. A residual of white noise costs about its deviation, and one without a grid nearly
    nothing: the loss takes a grid away without asking for the detail of the target.

    Args:
        x: N x C x H x W, range [0, 1], at least 16 x 16 pixels.
        target: Likewise.

    Returns:
        0-dim, float32 (float64 of float64), 0 for equal pictures.

    Raises:
        ValueError: The shapes differ.
    """
    x, target = matched(x, target)
    blocks = (x - target).unfold(2, _BLOCK, _BLOCK // 2).unfold(3, _BLOCK, _BLOCK // 2)
    two, four = grid_frequencies(_BLOCK)
    rows, columns = zip(*two, *four, strict=True)
    power = hann_power(blocks)[..., rows, columns]
    return (power + _SMALLEST**2).sqrt().sub(_SMALLEST).mean()
