"""Any picture in 8-bit RGB, against Pillow and cases solved by hand."""

import numpy as np
import pytest
from PIL import Image

from aimanga.images import Metadata, Picture, rgb

RNG = np.random.default_rng(0)


def test_8_bit_rgb_keeps_its_pixels_and_its_profile():
    pixels = RNG.integers(0, 256, (5, 7, 3), np.uint8)
    found = rgb(Picture(pixels, icc=b"profile", metadata=Metadata(exif=b"exif")))
    assert np.array_equal(found.pixels, pixels) and found.icc == b"profile" and found.metadata == Metadata()


def test_gray_becomes_three_channels_without_its_profile():
    pixels = RNG.integers(0, 256, (5, 7, 1), np.uint8)
    found = rgb(Picture(pixels, icc=b"gray profile"))
    assert np.array_equal(found.pixels, np.dstack([pixels] * 3)) and found.icc is None


@pytest.mark.parametrize("bits", [8, 16])
def test_transparent_pixels_are_composited_on_white_as_pillow_does(bits):
    pixels, alpha = RNG.integers(0, 256, (64, 64, 3), np.uint8), RNG.integers(0, 256, (64, 64), np.uint8)
    white = Image.new("RGBA", (64, 64), "white")
    wanted = np.asarray(Image.alpha_composite(white, Image.fromarray(np.dstack([pixels, alpha]))).convert("RGB"))
    deep = (lambda x: x.astype(np.uint16) * 257) if bits == 16 else (lambda x: x)
    found = rgb(Picture(deep(pixels), deep(alpha))).pixels
    assert found.dtype == np.uint8 and np.abs(found.astype(int) - wanted).max() <= 1  # Pillow rounds in integers


def test_16_bits_are_rounded_to_the_nearest_of_8():
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    assert np.array_equal(rgb(Picture(levels)).pixels[:, :, 0], (levels[:, :, 0].astype(int) + 128) // 257)
