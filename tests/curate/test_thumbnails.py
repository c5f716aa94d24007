"""Thumbnails: box averages, whatever the bands."""

import io

import numpy as np
import pytest
from PIL import Image

from aimanga.curate.thumbnails import BAND, Reducer, gray_thumbnail, preview
from tests.curate.pictures import photos


def reduced(pixels, band=BAND):
    height, width = pixels.shape[:2]
    reducer = Reducer(width, height)
    for top in range(0, height, band):
        reducer.add(Image.fromarray(pixels[top : top + band]))
    return reducer.finish()


def test_box_averages():
    pixels = np.random.default_rng(0).integers(0, 256, (2 * 400 + 3, 2 * 404 + 1, 3), np.uint8)
    found = reduced(pixels)  # the shorter side has 803 pixels: every 4 x 4 become one
    height, width = 803 // 4, 809 // 4
    wanted = pixels[: height * 4, : width * 4].reshape(height, 4, width, 4, 3).mean((1, 3))
    assert found.shape == wanted.shape and np.abs(found - wanted).max() <= 0.51
    np.testing.assert_array_equal(found, reduced(pixels, 4 * BAND))


@pytest.mark.parametrize(("side", "short"), [(64, 64), (200, 200), (399, 399), (400, 200), (1599, 399), (4000, 250)])
def test_the_shorter_side_stays_long_enough(side, short):
    assert reduced(np.zeros((side, side + 7, 3), np.uint8)).shape[0] == short


def test_a_narrow_giant_does_not_need_larger_bands():
    assert reduced(np.zeros((20_000, 20_000), np.uint8)).shape == (312, 312, 1)


def test_a_long_strip_stays_small():
    assert reduced(np.zeros((100_000, 300), np.uint8)).shape == (12_500, 37, 1)


def test_gray_thumbnails_are_area_averages():
    pixels = np.arange(96 * 64, dtype=np.int64).reshape(96, 64, 1) // 25
    thumbnail = gray_thumbnail(pixels.astype(np.uint8), 32)
    assert np.abs(thumbnail - pixels[:, :, 0].reshape(32, 3, 32, 2).mean((1, 3))).max() <= 1.01


def test_previews_are_pictures_of_200_pixels_at_most():
    photo = photos()[3]
    shown = np.asarray(Image.open(io.BytesIO(preview(reduced(photo), None))))
    small = np.asarray(Image.fromarray(photo).resize((200, 200), Image.Resampling.LANCZOS))
    assert shown.shape == small.shape and np.abs(shown.astype(float) - small).mean() < 5
    gray = Image.open(io.BytesIO(preview(reduced(photo[:100, :80, 0]), None)))
    assert gray.mode == "L" and gray.size == (80, 100)  # nothing is enlarged


def test_previews_keep_the_colour_space():
    profile = Image.open(io.BytesIO(preview(reduced(photos()[0]), b"a profile"))).info["icc_profile"]
    assert profile == b"a profile"
    long = Image.open(io.BytesIO(preview(reduced(photos()[0]), b"x" * 100_000)))
    assert "icc_profile" not in long.info
