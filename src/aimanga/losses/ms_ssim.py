"""The MS-SSIM loss: structural similarity at several scales.

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

# The weights of the scales, the finest first; as published, although they sum to 1.0001.
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

_C1, _C2 = 0.01**2, 0.03**2

# The similarity of a scale is raised to a power below 1, which is NaN for negative numbers and has no finite derivative
# at zero, so it is clamped to this. A clamped scale has no gradient; the other scales still have one.
_FLOOR = 1e-4


def ms_ssim_loss(x: Tensor, target: Tensor) -> Tensor:
    """Compute 1 - MS-SSIM, the mean over pictures and their channels.

    The window is a Gaussian of 11 x 11 taps with a standard deviation of 1.5; only windows inside the picture count.
    Each scale is the previous one average-pooled by 2; the last pixels of an odd side are pooled alone. Five scales
    need sides of 161 pixels; smaller pictures have as many scales as the window fits into, with their weights
    normalized. A similarity below 1e-4 counts as 1e-4 and has no gradient.

    Args:
        x: N x C x H x W, range [0, 1]; H and W are at least 11.
        target: Likewise.

    Returns:
        0-dim, float32 (float64 of float64), 0 for equal pictures, less than 1.

    Raises:
        ValueError: The shapes differ, or a side is below 11.
    """
    x, target = matched(x, target)
    side = min(x.shape[2:])
    if side < _TAPS:
        raise ValueError(f"MS-SSIM needs pictures of {_TAPS} x {_TAPS} pixels or more, not {x.shape[2:]}")
    weights = _weights(side)
    similarity: Tensor | None = None
    for scale, weight in enumerate(weights, 1):
        term = _similarity(x, target, with_luminance=scale == len(weights)).clamp_min(_FLOOR) ** weight
        similarity = term if similarity is None else similarity * term
        if scale < len(weights):
            x, target = _halved(x), _halved(target)
    assert similarity is not None  # there is always at least one scale
    return 1 - similarity.mean()


def _weights(side: int) -> list[float]:
    """The weights of as many scales as the window fits into."""
    weights = [weight for scale, weight in enumerate(_WEIGHTS) if side > (_TAPS - 1) * 2**scale]
    return weights if len(weights) == len(_WEIGHTS) else [weight / sum(weights) for weight in weights]


def _similarity(x: Tensor, y: Tensor, *, with_luminance: bool) -> Tensor:
    """The mean similarity of contrast and structure, and of luminance if wanted: N x C."""
    shape = x.shape[:2]
    # Not convolutions: they run in bfloat16 under autocast and in TF32 on a GPU, and the differences of squares below
    # would have no correct digit.
    x, y = x.flatten(0, 1), y.flatten(0, 1)
    mean_x, mean_y = filtered(x, _WINDOW), filtered(y, _WINDOW)
    # In this order both terms of equal pictures are rounded alike, and their similarity is exactly 1.
    variances = filtered(x * x + y * y, _WINDOW) - (mean_x**2 + mean_y**2)
    covariance = filtered(x * y, _WINDOW) - mean_x * mean_y
    similarity = (2 * covariance + _C2) / (variances + _C2)
    if with_luminance:
        similarity = similarity * (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return similarity.mean((1, 2)).view(shape)


def _halved(x: Tensor) -> Tensor:
    """Average-pool by 2; the last pixels of an odd side are pooled alone."""
    return F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
