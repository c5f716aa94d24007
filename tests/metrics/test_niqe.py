"""Against the official numbers, and the plain way."""

import numpy as np
import pytest
import torch

from aimanga.errors import PictureError
from aimanga.images import read
from aimanga.metrics import niqe as module
from aimanga.metrics.niqe import block_features, niqe, niqe_of_levels
from aimanga.metrics.parameters import load_parameters
from aimanga.tensors import from_array
from tests.metrics import plain


@pytest.mark.parametrize(("name", "official", "toolbox"), [("I04", 3.6549, 3.6549), ("I08", 3.1840, 3.1922)])
def test_the_official_scores(shared_data, name, official, toolbox):
    """I08 has flat regions, where the rounding of a program's filter counts."""
    score = float(niqe(from_array(read(shared_data / "iqa" / f"{name}.bmp").pixels)))
    assert score == pytest.approx(official, abs=5e-5 if name == "I04" else 0.02)
    assert score == pytest.approx(toolbox, abs=5e-5 if name == "I04" else 0.02)


def test_real_photos_score_as_they_do_the_plain_way(shared_data):
    photos = sorted((shared_data / "set5").rglob("*.png"))[:6] + sorted((shared_data / "realsrset").iterdir())[:4]
    compared = 0
    for path in photos:
        pixels = read(path).pixels
        if min(pixels.shape[:2]) >= 96 and max(pixels.shape[:2]) >= 192:
            expected = plain.niqe(plain.levels_of(path))
            assert float(niqe(from_array(pixels))) == pytest.approx(expected, rel=1e-6), path
            compared += 1
    assert compared >= 5


def test_noise_scores_as_it_does_the_plain_way():
    levels = np.random.default_rng(0).integers(0, 256, (200, 301), np.uint8)
    score = float(niqe_of_levels(torch.from_numpy(levels)))
    assert score == pytest.approx(plain.niqe(levels.astype(float)), rel=1e-9)


def test_the_height_of_the_strips_changes_nothing(monkeypatch):
    levels = torch.randint(0, 256, (400, 210), dtype=torch.uint8)
    expected = block_features(levels)
    for pixels in (1, 192 * 192):
        monkeypatch.setattr(module, "STRIP_PIXELS", pixels)
        torch.testing.assert_close(block_features(levels), expected, rtol=1e-12, atol=1e-12)


def test_a_batch_is_its_pictures():
    pictures = torch.rand(3, 3, 100, 200).mul(255).round() / 255
    assert torch.equal(niqe(pictures), torch.cat([niqe(picture[None]) for picture in pictures]))


def test_pixels_beyond_the_last_whole_block_are_not_looked_at():
    levels = torch.randint(0, 256, (250, 290), dtype=torch.uint8)
    assert niqe_of_levels(levels) == niqe_of_levels(levels[:192, :288])


def test_a_block_in_black_is_left_out_as_the_original_does():
    """All is 0 there: its deviations are not numbers, its shapes are 0.2 and count in the mean."""
    levels = torch.randint(0, 256, (96, 384), dtype=torch.uint8)
    levels[:, 93:198] = 0
    features = block_features(levels)
    assert features.isnan().any(1).tolist() == [False, True, False, False]
    assert features[1, [0, 2, 18, 20]].tolist() == [0.2] * 4
    assert niqe_of_levels(levels) == pytest.approx(plain_with_nan(levels), rel=1e-9)


def plain_with_nan(levels):
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning, match="Mean of empty slice"):
        return plain.niqe(levels.numpy().astype(float))


def test_pictures_in_which_there_is_almost_nothing_are_an_error():
    picture = torch.zeros(1, 3, 192, 192)
    for _ in range(2):  # black all over, then with one block that is not
        with pytest.raises(PictureError, match="two blocks"):
            niqe(picture)
        picture[:, :, :90, :90] = torch.rand(90, 90)


def test_too_small_pictures_are_an_error():
    with pytest.raises(PictureError, match="NIQE needs 192 x 96 pixels or more; this picture has 100 x 100"):
        niqe(torch.rand(1, 3, 100, 100))


def test_the_model_of_undamaged_photos_is_a_distribution():
    model = load_parameters("niqe", torch.device("cpu"))
    assert model["mean"].shape == (36,) and model["covariance"].shape == (36, 36)
    assert torch.equal(model["covariance"], model["covariance"].T)
    assert torch.linalg.eigvalsh(model["covariance"]).min() > 0
    assert model["mean"][[0, 18]].tolist() == pytest.approx([2.6, 2.6], abs=1)  # shapes: near the normal 2
