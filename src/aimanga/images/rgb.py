"""Any picture as 8-bit RGB, which is what networks are trained on."""

import numpy as np

from aimanga.images.picture import Picture


def rgb(picture: Picture) -> Picture:
    """Convert a picture to 8-bit RGB, composited on white where it is transparent.

    Returns:
        H x W x 3, uint8, without alpha and metadata. The ICC profile stays, except a gray one.
    """
    pixels = picture.pixels
    if picture.alpha is not None or pixels.dtype != np.uint8:
        maximum = np.float32(np.iinfo(pixels.dtype).max)
        x = pixels.astype(np.float32) / maximum
        if picture.alpha is not None:
            alpha = picture.alpha[:, :, None].astype(np.float32) / maximum
            x = x * alpha + (1 - alpha)
        pixels = (x.clip(0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    if pixels.shape[2] == 1:
        return Picture(pixels.repeat(3, axis=2))  # a gray profile does not apply to three channels
    return Picture(pixels, icc=picture.icc)
