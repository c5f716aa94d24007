"""Enlarged and blurred pictures lack what their size promises."""

import numpy as np
import pytest
from PIL import Image

from aimanga.curate.measure import measure
from aimanga.curate.sharpness import WINDOW, Spectra
from aimanga.images import Picture
from tests.curate.pictures import blurred, enlarged, photos

ENLARGED = {
    "bicubic": lambda x: enlarged(x, 2),
    "bilinear": lambda x: enlarged(x, 2, Image.Resampling.BILINEAR),
    "Lanczos": lambda x: enlarged(x, 2, Image.Resampling.LANCZOS),
    "by 4": lambda x: enlarged(x, 4),
    "blurred": lambda x: blurred(x, 1.5),
    "blurred until only rounding is left of the fine detail": lambda x: blurred(x, 5),
}


def sharpness(pixels):
    return measure(Picture.from_array(pixels)).measures.sharpness


@pytest.mark.parametrize("worse", ENLARGED.values(), ids=ENLARGED)
@pytest.mark.parametrize("number", range(6))
def test_an_enlarged_picture_is_told_from_the_original(number, worse):
    photo = photos()[number]
    assert sharpness(worse(photo)) < min(sharpness(photo), -4.5)


def test_spectra_by_hand():
    # White noise has the same power at all frequencies; of a slow wave rounding is left at the fine ones.
    spectra = Spectra()
    spectra.add(np.random.default_rng(0).integers(0, 256, (2 * WINDOW, 8 * WINDOW)).astype(np.int16))
    assert abs(spectra.finish()) < 0.05
    spectra = Spectra()
    wave = 100 + 90 * np.sin(np.arange(4 * WINDOW) * 2 * np.pi * 0.15)
    spectra.add(np.tile(wave, (WINDOW, 1)).round().astype(np.int16))
    assert spectra.finish() < -9


def test_what_has_no_contrast_is_not_sharp():
    spectra = Spectra()
    spectra.add(np.random.default_rng(0).integers(100, 102, (WINDOW, WINDOW)).astype(np.int16))
    assert spectra.finish() == pytest.approx(np.log((1 / 4 + 1 / 12) / (1 / 4 + 25)), abs=0.1)


def test_only_the_windows_with_contrast_count():
    noise = np.random.default_rng(0).integers(0, 256, (WINDOW, 32 * WINDOW)).astype(np.int16)
    calm = np.tile((100 + 10 * np.sin(np.arange(WINDOW * 32) / 3)).round(), (3 * WINDOW, 1)).astype(np.int16)
    alone, among = Spectra(), Spectra()
    alone.add(noise)
    for band in (calm[: 2 * WINDOW], noise, calm[2 * WINDOW :]):
        among.add(band)
    assert among.finish() == alone.finish()


def test_what_does_not_fill_a_window_is_left_out():
    noise = np.random.default_rng(0).integers(0, 256, (WINDOW + 9, WINDOW + 30)).astype(np.int16)
    whole, cut = Spectra(), Spectra()
    whole.add(noise)
    cut.add(noise[:WINDOW, :WINDOW])
    assert whole.finish() == cut.finish()
