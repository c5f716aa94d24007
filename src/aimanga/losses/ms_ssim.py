"""MS-SSIM: how alike contrast and structure are in neighbourhoods of several sizes, and brightness in the largest.

Sources: Z. Wang, E. Simoncelli, A. Bovik, "Multiscale structural similarity for image quality assessment", Asilomar
2003, doi:10.1109/ACSSC.2003.1292216; the window and the constants: Z. Wang et al., IEEE TIP 13(4), 2004,
doi:10.1109/TIP.2003.819861.
"""

import torch.nn.functional as F
from torch import Tensor

from aimanga.losses.operands import matched
from aimanga.tensors import filtered, gaussian_taps

_TAPS = 11
_WINDOW = gaussian_taps(_TAPS, 1.5)

# Of the scales, the finest first; as published, though they sum to 1.0001.
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

_C1, _C2 = 0.01**2, 0.03**2

# Each scale's similarity is raised to a power below 1, which of a negative number is NaN and at zero has no finite
# slope. It is therefore clamped to this; below, the scale gives no gradient, and the other scales lead on.
_FLOOR = 1e-4


def ms_ssim_loss(x: Tensor, target: Tensor) -> Tensor:
    """Compute 1 - MS-SSIM, the mean over pictures and their channels.

    The window is Gaussian, 11 x 11 taps with a deviation of 1.5, and lies whole in the picture. From scale to scale
    2 x 2 pixels are averaged; of an odd side the last pixels stand alone. Five scales take sides of 161 pixels;
    smaller pictures have as many as the window fits into, with the weights of these divided by their sum. A scale's
    similarity below 1e-4 counts as 1e-4 and has no gradient.

    Args:
        x: N x C x H x W, range [0, 1]; H and W are at least 11.
        target: Likewise.

    Returns:
        0-dim, float32 (float64 of float64), from 0, for equal pictures, to less than 1.

    Raises:
        ValueError: The shapes differ, or a side is below 11.
    """
    x, target = matched(x, target)
    side = min(x.shape[2:])
    if side < _TAPS:
        raise ValueError(f"MS-SSIM takes pictures of {_TAPS} x {_TAPS} pixels or more, not {x.shape[2:]}")
    weights = _weights(side)
    similarity: Tensor | None = None
    for scale, weight in enumerate(weights, 1):
        term = _similarity(x, target, with_brightness=scale == len(weights)).clamp_min(_FLOOR) ** weight
        similarity = term if similarity is None else similarity * term
        if scale < len(weights):
            x, target = _halved(x), _halved(target)
    assert similarity is not None  # there is always at least one scale
    return 1 - similarity.mean()


def _weights(side: int) -> list[float]:
    """The weights of as many scales as the window fits into."""
    weights = [weight for scale, weight in enumerate(_WEIGHTS) if side > (_TAPS - 1) * 2**scale]
    return weights if len(weights) == len(_WEIGHTS) else [weight / sum(weights) for weight in weights]


def _similarity(x: Tensor, y: Tensor, *, with_brightness: bool) -> Tensor:
    """The mean similarity of contrast and structure, with that of brightness or without, as N x C."""
    shape = x.shape[:2]
    # Shifted sums, not convolutions: those run in bfloat16 under autocast and in TF32 on a GPU, of whose digits the
    # differences of squares below would leave none.
    x, y = x.flatten(0, 1), y.flatten(0, 1)
    mean_x, mean_y = filtered(x, _WINDOW), filtered(y, _WINDOW)
    # In this order both terms of equal pictures are rounded alike, and their similarity is 1, not nearly 1.
    variances = filtered(x * x + y * y, _WINDOW) - (mean_x**2 + mean_y**2)
    covariance = filtered(x * y, _WINDOW) - mean_x * mean_y
    similarity = (2 * covariance + _C2) / (variances + _C2)
    if with_brightness:
        similarity = similarity * (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return similarity.mean((1, 2)).view(shape)


def _halved(x: Tensor) -> Tensor:
    """Average 2 x 2 pixels; of an odd side the last ones stand alone."""
    return F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
