import numpy as np
import pytest

from aimanga import Picture
from aimanga.images import Canvas, Header


@pytest.mark.parametrize(
    ("shape", "pixels", "alpha"),
    [
        ((4, 5), (4, 5, 1), None),
        ((4, 5, 1), (4, 5, 1), None),
        ((4, 5, 2), (4, 5, 1), (4, 5)),
        ((4, 5, 3), (4, 5, 3), None),
        ((4, 5, 4), (4, 5, 3), (4, 5)),
    ],
)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_arrays_as_other_libraries_have_them(shape, pixels, alpha, kind):
    array = np.arange(np.prod(shape), dtype=kind).reshape(shape)
    picture = Picture.from_array(array)
    assert picture.pixels.shape == pixels
    assert (picture.alpha.shape if picture.alpha is not None else None) == alpha
    assert (picture.height, picture.width) == (4, 5)
    np.testing.assert_array_equal(picture.to_array().reshape(shape), array)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 5, 3), np.float32),
        np.zeros((4, 5, 5), np.uint8),
        np.zeros((4,), np.uint8),
        np.zeros((0, 5, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(array):
    with pytest.raises(ValueError, match="pixels are"):
        Picture.from_array(array)


def test_alpha_of_another_size_or_type_is_refused():
    pixels = np.zeros((4, 5, 3), np.uint8)
    for alpha in (np.zeros((5, 4), np.uint8), np.zeros((4, 5), np.uint16)):
        with pytest.raises(ValueError, match="alpha is"):
            Picture(pixels, alpha)


@pytest.mark.parametrize("height", [1, 3, 4, 9])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_canvas_filled_with_the_bands_of_a_picture_is_that_picture(height, channels):
    array = np.arange(4 * 5 * channels, dtype=np.uint16).reshape(4, 5, channels)
    picture = Picture.from_array(array, icc=b"profile")
    canvas = Canvas(picture.header)
    for rows in picture.bands(height):
        assert rows.shape[1:] == (5, channels) and len(rows) <= height
        canvas.write(rows)
    again = canvas.picture()
    np.testing.assert_array_equal(again.to_array(), array)
    assert again.header == picture.header
    assert (again.header.samples, again.header.bits, again.icc) == (channels, 16, b"profile")


def test_a_canvas_with_rows_missing_is_no_picture():
    canvas = Canvas(Header(5, 4, 3, False, 8))
    canvas.write(np.zeros((3, 5, 3), np.uint8))
    with pytest.raises(ValueError, match="3 of 4 rows"):
        canvas.picture()
