"""Colour spaces: which are kept, and which are converted to sRGB."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pyvips

from aimanga.errors import PictureError


def to_working_space(image: pyvips.Image, path: Path) -> tuple[pyvips.Image, bytes | None]:
    """Convert a decoded image to a space that networks are trained on: gray or RGB, perceptually encoded.

    A profile whose tone curve is like that of a display (sRGB, Display P3, Adobe RGB, ProPhoto, gray gamma)
    is kept with its values: converting to sRGB and back would clip every colour outside sRGB, and networks,
    trained on untagged pictures of the web, do not depend on the primaries. Only CMYK and profiles with a linear
    tone curve are converted to sRGB.

    Args:
        image: A libvips image without alpha, uchar or ushort.
        path: Its file, for error messages.

    Returns:
        The image, gray or RGB, and the ICC profile to write with it; None means sRGB.

    Raises:
        PictureError: The colours can be neither kept nor converted.
    """
    profile = bytes(image.get("icc-profile-data")) if image.get_typeof("icc-profile-data") else None
    if image.interpretation == "cmyk":
        return _to_srgb(image, path), None
    if profile is None:
        return image, None
    space = profile[16:20]
    if space != {1: b"GRAY", 3: b"RGB "}.get(image.bands):
        # A profile for other channels than the file's cannot apply; decoders ignore it, and so do we.
        return image, None
    if _middle_gray(profile, image.bands) < _LINEAR_ABOVE:
        return image, profile
    return _to_srgb(image, path), None


# A display profile turns the code 128 into sRGB 118 to 150; a linear one into 188.
_LINEAR_ABOVE = 165


@lru_cache(maxsize=64)  # thousands of photos share a handful of profiles
def _middle_gray(profile: bytes, bands: int) -> float:
    """The sRGB value (0 to 255) of the code 128 in every channel of a profile; 128 where it is unusable."""
    patch = pyvips.Image.new_from_memory(bytes([128] * bands), 1, 1, bands, "uchar")
    patch = patch.copy(interpretation="srgb" if bands == 3 else "b-w")
    patch.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    try:
        converted = patch.icc_transform("srgb", embedded=True)
        return float(np.mean(converted.numpy()))
    except pyvips.Error:
        return 128.0


def _to_srgb(image: pyvips.Image, path: Path) -> pyvips.Image:
    depth = 16 if image.format == "ushort" else 8
    try:
        # An image without a profile of its own gets libvips' generic one for CMYK.
        source = "cmyk" if image.interpretation == "cmyk" else "srgb"
        gray = image.bands == 1
        image = image.icc_transform("srgb", embedded=True, input_profile=source, depth=depth, intent="relative")
        return image[1].copy(interpretation="grey16" if depth == 16 else "b-w") if gray else image
    except pyvips.Error as error:
        raise PictureError(f"{path}: its colours cannot be converted to sRGB: {error}") from error
