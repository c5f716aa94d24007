"""Colour of a picture.

Source: D. Hasler and S. Suesstrunk, "Measuring colourfulness in natural images", SPIE 5007, 2003.
"""

import math

import numpy as np
import numpy.typing as npt


def colourfulness(pixels: npt.NDArray[np.uint8]) -> float:
    """Hasler and Suesstrunk's M3: 0 is gray, 15 slightly, 45 averagely, 80 highly colourful.

    Args:
        pixels: H x W x 1 or 3, uint8; a reduced picture gives nearly the same.
    """
    if pixels.shape[2] == 1:
        return 0.0
    red, green, blue = np.moveaxis(pixels.astype(np.float32), 2, 0)
    opponents = (red - green, (red + green) / 2 - blue)
    spread = math.hypot(*(float(plane.std()) for plane in opponents))
    return spread + 0.3 * math.hypot(*(float(plane.mean()) for plane in opponents))
