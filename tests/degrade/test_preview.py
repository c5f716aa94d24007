import numpy as np
import pytest

from aimanga.degrade import PreviewOptions, make_pairs, preview_recipe
from aimanga.degrade.preview import preview_sheet
from aimanga.errors import UsageError
from aimanga.images import Picture, read


@pytest.fixture
def photo(samples):
    return read(samples / "owl.jpg")


def test_it_shows_the_picture_and_the_samples_that_pairs_would_store(photo, samples, tmp_path):
    output = tmp_path / "sheet.png"
    sheet = preview_recipe(samples / "owl.jpg", output, recipe="realesrgan", seed=3, samples=2).pixels
    assert np.array_equal(read(output).pixels, sheet)
    make_pairs(samples / "owl.jpg", tmp_path / "pairs", recipe="realesrgan", seed=3, per_image=2)
    shown = [photo.pixels.repeat(2, 0).repeat(2, 1)]  # 192 pixels are too few for the labels
    lows = [read(tmp_path / "pairs" / "LR" / f"owl_{n}.png").pixels for n in (1, 2)]
    shown += [low.repeat(8, 0).repeat(8, 1) for low in lows]
    places = [(12, 12), (12, 408), (12 + (len(sheet) - 12) // 2, 12)]
    for (top, left), pixels in zip(places, shown, strict=True):
        assert np.array_equal(sheet[top : top + 384, left : left + 384], pixels)
    # And there is ink under each.
    for top, left in places:
        assert (sheet[top + 384 : top + 412, left : left + 384] < 100).any()


def test_of_a_large_picture_it_shows_the_middle():
    pixels = np.zeros((900, 1000, 3), np.uint8)
    pixels[300:600, 350:650] = 200
    sheet = preview_sheet(Picture(pixels), "a", PreviewOptions(recipe="bicubic", crop=300, samples=1)).pixels
    assert (sheet[12:312, 12:312] == 200).all() and (sheet[12:312, 324:624] == 200).all()


def test_impossible_ones_are_refused(samples, tmp_path):
    with pytest.raises(UsageError, match="smaller than the scale 4"):
        preview_sheet(Picture(np.zeros((3, 9, 3), np.uint8)), "a", PreviewOptions(recipe="bicubic"))
    with pytest.raises(UsageError, match="--samples 0"):
        preview_recipe(samples / "owl.jpg", tmp_path / "sheet.png", samples=0)
    assert not (tmp_path / "sheet.png").exists()
