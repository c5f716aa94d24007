"""Photos for the tests, and what may have happened to them."""

import io
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

# Not by the root that tests.conftest knows: the benchmark is here, too, and its processes do without PyTorch.
_PHOTOS = Path(__file__).parents[1] / "photos"


@cache
def photos():
    """Six good photos, 512 x 512 x 3."""
    return tuple(np.asarray(Image.open(path)) for path in sorted(_PHOTOS.glob("*.jpg")))


def blurred(pixels, radius):
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def denoised(pixels):
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.MedianFilter(3)))


def enlarged(pixels, factor, kernel=Image.Resampling.BICUBIC):
    """Reduced and enlarged again."""
    height, width = pixels.shape[:2]
    small = Image.fromarray(pixels).resize((width // factor, height // factor), Image.Resampling.BICUBIC)
    return np.asarray(small.resize((width, height), kernel))


def noisy(pixels, deviation, seed=0):
    noise = np.random.default_rng(seed).normal(0, deviation, pixels.shape)
    return (pixels + noise).round().clip(0, 255).astype(np.uint8)


def jpeg(pixels, quality):
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "JPEG", quality=quality)
    return np.asarray(Image.open(encoded))
