"""Against the official numbers, and the plain way."""

import numpy as np
import pytest
import torch

from aimanga.errors import PictureError
from aimanga.images import read
from aimanga.metrics.brisque import brisque
from aimanga.metrics.parameters import load_parameters
from aimanga.tensors import from_array
from tests.metrics import plain


@pytest.mark.parametrize(("name", "official", "toolbox"), [("I04", -0.1076, -0.1068), ("I08", 5.3583, 5.1447)])
def test_the_official_scores(shared_data, name, official, toolbox):
    """I08 has flat regions, where the rounding of a program's filter counts."""
    score = float(brisque(from_array(read(shared_data / "iqa" / f"{name}.bmp").pixels)))
    assert score == pytest.approx(official, abs=5e-4 if name == "I04" else 0.04)
    assert score == pytest.approx(toolbox, abs=5e-4 if name == "I04" else 0.2)


@pytest.mark.parametrize("cut", [0, 1])
def test_real_photos_score_as_they_do_the_plain_way(samples, cut):
    """Cut by a row and a column their sizes are odd, where MATLAB's imresize keeps the factor."""
    for path in samples.glob("*.jpg"):
        pixels = read(path).pixels[cut:, cut:]
        expected = plain.brisque(plain.rgb2gray(pixels))
        assert float(brisque(from_array(pixels))) == pytest.approx(expected, rel=1e-6, abs=1e-6), path


def test_flat_regions_score_as_they_do_the_plain_way(shared_data):
    for path in ("realsrset/ppt3.png", "realsrset/comic3.png", "iqa/I08.bmp"):
        score = float(brisque(from_array(read(shared_data / path).pixels)))
        assert score == pytest.approx(plain.brisque(plain.levels_of(shared_data / path)), rel=1e-6), path


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (64, 41)])
def test_noise_scores_as_it_does_the_plain_way(size):
    levels = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    score = float(brisque(from_array(levels[:, :, None])))
    assert score == pytest.approx(plain.brisque(levels.astype(float)), rel=1e-9)


def test_a_batch_is_its_pictures():
    pictures = torch.rand(3, 3, 40, 50).mul(255).round() / 255
    torch.testing.assert_close(brisque(pictures), torch.cat([brisque(p[None]) for p in pictures]), rtol=1e-9, atol=0)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_flat_picture_has_a_score(level):
    assert brisque(torch.full((1, 3, 32, 32), level)).isfinite().all()


def test_too_small_pictures_are_an_error():
    with pytest.raises(PictureError, match="BRISQUE needs 16 x 16 pixels or more; this picture has 99 x 15"):
        brisque(torch.rand(1, 3, 15, 99))


def test_the_machine_is_the_published_one():
    """As DATA.md of the release counts it: 774 support vectors, rho -153.591; bounded coefficients, scaled features."""
    model = load_parameters("brisque", torch.device("cpu"))
    assert model["support_vectors"].shape == (774, 36)
    assert float(model["rho"]) == -153.591
    assert model["coefficients"].abs().max() == 1024
    assert float(model["coefficients"].sum()) == pytest.approx(0, abs=0.1)  # what training a machine comes to
    assert model["support_vectors"].abs().max() == 1
    assert (model["feature_minimum"] < model["feature_maximum"]).all()
