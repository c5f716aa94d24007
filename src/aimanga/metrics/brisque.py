"""BRISQUE: support vector regression on the natural-scene statistics of a picture.

Source: A. Mittal, A. Moorthy, A. Bovik, "No-reference image quality assessment in the spatial domain", IEEE TIP 21(12),
2012, doi:10.1109/TIP.2012.2214050, and its MATLAB release of UT Austin, whose support vectors are
`parameters/brisque.safetensors`. The features are those of `aimanga.scene_statistics`.
"""

import torch
from torch import Tensor

from aimanga.metrics.levels import gray_levels, require_size
from aimanga.metrics.parameters import load_parameters
from aimanga.scene_statistics import brisque_features

SMALLEST = 16
"""The smallest side, in pixels; the statistics need more than the window."""

_GAMMA = 0.05  # of the kernel exp(-gamma |x - y|^2)


def brisque(pictures: Tensor) -> Tensor:
    """Compute BRISQUE like the authors' MATLAB release; lower is better.

    Args:
        pictures: N x 3 x H x W, range [0, 1], rounded to 8 bits, 16 x 16 pixels or more.

    Returns:
        N scores, float64; about 0 for good photos to 100 for the worst, and sometimes beyond.

    Raises:
        PictureError: The pictures are too small.
    """
    require_size(pictures, "BRISQUE", SMALLEST)
    model = load_parameters("brisque", pictures.device)
    features = brisque_features(gray_levels(pictures))
    low, high = model["feature_minimum"], model["feature_maximum"]
    scaled = 2 * (features - low) / (high - low) - 1
    kernel = torch.exp(-_GAMMA * torch.cdist(scaled, model["support_vectors"]).square())
    return kernel @ model["coefficients"] - model["rho"]
