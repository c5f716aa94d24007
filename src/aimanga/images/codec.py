"""Compress and decompress a picture."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyvips


def recompressed(
    pixels: npt.NDArray[np.uint8], codec: Literal["jpeg", "webp", "avif"], quality: int, *, subsampled: bool
) -> npt.NDArray[np.uint8]:
    """Encode and decode.

    Args:
        pixels: H x W x 3, uint8.
        codec: JPEG with its standard tables, lossy WebP, or AVIF at its fastest.
        quality: 1 to 100.
        subsampled: Whether JPEG and AVIF store chroma at half the resolution; WebP always does.

    Returns:
        H x W x 3, uint8.
    """
    image = pyvips.Image.new_from_array(pixels, interpretation="srgb")
    mode = "on" if subsampled else "off"
    if codec == "jpeg":
        data: Any = image.jpegsave_buffer(Q=quality, subsample_mode=mode, keep=0)
        decoded = pyvips.Image.jpegload_buffer(data)
    elif codec == "webp":
        data = image.webpsave_buffer(Q=quality, keep=0)
        decoded = pyvips.Image.webpload_buffer(data)
    else:
        data = image.heifsave_buffer(Q=quality, compression="av1", effort=0, subsample_mode=mode, keep=0)
        decoded = pyvips.Image.heifload_buffer(data)
    result: npt.NDArray[np.uint8] = decoded.numpy()[:, :, :3]
    return result
