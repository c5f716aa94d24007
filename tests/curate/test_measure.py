"""A picture is measured in one reading, whatever it comes from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aimanga.curate.measure import SMALLEST, measure
from aimanga.errors import PictureError
from aimanga.images import Picture, PictureFile, write
from tests.curate.pictures import photos


def test_a_file_is_measured_as_what_is_in_memory(tmp_path):
    picture = Picture.from_array(photos()[0])
    write(picture, tmp_path / "a.png")
    from_file, from_memory = measure(PictureFile(tmp_path / "a.png")), measure(picture)
    assert from_file.measures == from_memory.measures
    np.testing.assert_array_equal(from_file.tiles.detail, from_memory.tiles.detail)
    np.testing.assert_array_equal(from_file.reduced, from_memory.reduced)


def test_16_bits_are_measured_as_8_and_alpha_not_at_all():
    photo = photos()[1]
    wanted = measure(Picture.from_array(photo)).measures
    assert measure(Picture.from_array(photo.astype(np.uint16) * 257)).measures == wanted
    alpha = np.random.default_rng(0).integers(0, 256, photo.shape[:2], np.uint8)
    assert measure(Picture(photo, alpha)).measures == wanted


def test_gray_is_measured_as_the_same_in_colour():
    gray = np.asarray(Image.fromarray(photos()[2]).convert("L"))
    one, three = (measure(Picture.from_array(x)).measures for x in (gray, gray[:, :, None].repeat(3, 2)))
    assert one == three and one.colourfulness == 0


def test_clipping_by_hand():
    pixels = np.full((100, 100), 128, np.uint8)
    pixels[:10] = 255
    pixels[10:15] = 2
    assert measure(Picture.from_array(pixels)).measures.clipping == pytest.approx(0.15)


def test_a_plain_picture_is_all_zero():
    measures = measure(Picture.from_array(np.full((64, 64, 3), 50, np.uint8))).measures
    assert (measures.detail, measures.flatness, measures.noise, measures.blockiness) == (0, 1, 0, 0)
    assert np.isfinite(measures.sharpness)


def test_too_small():
    with pytest.raises(PictureError, match=r"63 x 64 is too small to be measured: 64 pixels a side are needed"):
        measure(Picture.from_array(np.zeros((64, SMALLEST - 1), np.uint8)))


@settings(max_examples=25, deadline=None)
@given(st.integers(64, 700), st.integers(64, 700), st.sampled_from([1, 3]), st.integers(0, 2**32 - 1))
def test_any_size_gives_numbers_in_their_ranges(height, width, channels, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    measured = measure(Picture.from_array(pixels))
    found = measured.measures
    assert np.isfinite([found.detail, found.sharpness, found.blockiness, found.noise, found.colourfulness]).all()
    assert 0 <= found.flatness <= 1 and 0 <= found.clipping <= 1 and 0 <= found.text <= 1
    assert measured.tiles.detail.shape == (height // 32, width // 32) == measured.tiles.text.shape
