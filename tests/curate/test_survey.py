"""The survey of a picture comes back from JSON as it was."""

import io
import json
import os

import numpy as np
import pytest
from PIL import Image

from aimanga.curate.duplicates import SIDE
from aimanga.curate.measure import Measures, measure
from aimanga.curate.survey import gray_of, preview_of, survey_file, survey_key, tiles_of
from aimanga.errors import PictureError
from aimanga.images import PictureFile
from tests.conftest import ROOT

PHOTO = ROOT / "tests" / "photos" / "dog.jpg"


def survey(path, **options):
    known = survey_file(path, lambda share: None, **{"max_pixels": 2**28, "first_page": False, **options})
    return json.loads(json.dumps(known))


def test_what_is_measured_comes_back():
    known, measured = survey(PHOTO), measure(PictureFile(PHOTO))
    assert (known["bytes"], known["modified"]) == (PHOTO.stat().st_size, PHOTO.stat().st_mtime_ns)
    found = Measures.of(known)
    assert (found.width, found.height) == (512, 512) and isinstance(found.width, int)
    assert found.detail == pytest.approx(measured.measures.detail, abs=1e-5)
    tiles = tiles_of(known)
    np.testing.assert_allclose(tiles.detail, measured.tiles.detail, rtol=1e-3)
    np.testing.assert_array_equal(tiles.text, measured.tiles.text)
    assert gray_of(known).shape == (SIDE, SIDE) and np.ptp(gray_of(known)) > 100
    assert Image.open(io.BytesIO(preview_of(known))).size == (200, 200)


def test_a_picture_that_is_too_small_has_a_size_alone(tmp_path):
    Image.new("RGB", (40, 900)).save(tmp_path / "icon.png")
    known = survey(tmp_path / "icon.png")
    assert (known["width"], known["height"]) == (40, 900)
    assert Measures.of(known) is None and preview_of(known) is None


def test_limits_are_obeyed():
    with pytest.raises(PictureError, match=r"dog\.jpg: 512 x 512 is more than 1000 pixels"):
        survey(PHOTO, max_pixels=1000)


def test_the_key_tells_another_file(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(PHOTO.read_bytes())
    options = {"max_pixels": 2**28, "first_page": False}
    key = survey_key(path, **options)
    assert survey_key(path, **options) == key
    assert survey_key(path, **{**options, "first_page": True}) != key
    os.utime(path, (1, 1))
    assert survey_key(path, **options) != key
