import math

import numpy as np
import pytest
import torch
from PIL import Image

import aimanga
from aimanga.errors import ModelError, PictureError, UsageError
from aimanga.images import Picture, read
from aimanga.metrics import Scorer, available_metrics, catalog, score
from aimanga.metrics.scorer import _loaded, as_pictures, on_8_bits
from aimanga.tensors import from_array

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def nothing_is_loaded():
    _loaded.cache_clear()
    yield
    _loaded.cache_clear()


@pytest.fixture(scope="module")
def photo(samples):
    return read(samples / "lionfish.jpg")


def test_one_picture_one_metric(photo):
    assert aimanga.metrics.score("niqe", photo) == score("NIQE", from_array(photo.pixels))
    assert score("psnr", photo, photo) == math.inf


def test_a_file_of_any_format_scores_as_the_picture_in_memory(photo, tmp_path):
    expected = Scorer(["niqe", "brisque"])(photo).values
    for suffix in ("png", "bmp", "tif", "webp"):
        Image.fromarray(photo.pixels).save(tmp_path / f"a.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
        assert Scorer(["niqe", "brisque"])(read(tmp_path / f"a.{suffix}")).values == expected


def test_sixteen_bits_gray_and_alpha(photo):
    scorer = Scorer(["niqe", "brisque"])
    deep = Picture(photo.pixels.astype(np.uint16) * 257)
    alpha = Picture(photo.pixels, alpha=np.zeros(photo.pixels.shape[:2], np.uint8))
    assert scorer(deep).values == scorer(alpha).values == scorer(photo).values
    gray = photo.pixels[:, :, :1]
    assert scorer(Picture(gray)).values == scorer(Picture(gray.repeat(3, 2))).values


def test_rounding_is_that_of_files():
    x = torch.tensor([-0.1, 0.5 / 255, 0.499 / 255, 1.2, 100.4 / 255])
    assert (on_8_bits(x) * 255).round().tolist() == [0, 1, 0, 255, 100]
    assert torch.equal(x, torch.tensor([-0.1, 0.5 / 255, 0.499 / 255, 1.2, 100.4 / 255]))
    pixels = RNG.integers(0, 256, (4, 5, 3), np.uint8)
    assert torch.equal(as_pictures(Picture(pixels)), from_array(pixels))


def test_a_batch_scores_as_its_pictures_do():
    pictures, references = torch.rand(2, 3, 3, 96, 192)
    names = ["niqe", "brisque", "psnr", "ssim"]
    scores = Scorer(names).batch(pictures, references)
    assert list(scores) == names
    for name, values in scores.items():
        assert values.shape == (3,) and values.dtype == torch.float64
        pairs = zip(pictures.split(1), references.split(1), strict=True)
        alone = [score(name, *pair[: 2 if name in ("psnr", "ssim") else 1]) for pair in pairs]
        assert values.tolist() == pytest.approx(alone, rel=1e-9)


def test_missing_weights_leave_the_others_alone(photo, no_weights):
    scorer = Scorer(["niqe", "nrqm", "ntire_perceptual"])
    assert scorer.missing["nrqm"] == "nrqm: weights missing: aimanga weights fetch nrqm"
    assert "weights fetch alexnet vgg16 clip-rn50 maniqa-koniq musiq-koniq" in scorer.missing["ntire_perceptual"]
    assert list(scorer(photo).values) == ["niqe"]
    with pytest.raises(ModelError, match="aimanga weights fetch nrqm.*model.mat.*weights add nrqm FILE"):
        Scorer(["nrqm", "pi"])
    assert available_metrics(with_reference=False) == ("niqe", "brisque")
    assert available_metrics(with_reference=True) == ("niqe", "brisque", "psnr", "ssim")


def test_a_small_picture_has_the_scores_that_it_can_have():
    picture = Picture(RNG.integers(0, 256, (50, 60, 3), np.uint8))
    scores = Scorer(["brisque", "niqe"])(picture)
    assert list(scores.values) == ["brisque"]
    assert scores.problems == {"niqe": "NIQE needs 192 x 96 pixels or more; this picture has 60 x 50"}
    with pytest.raises(PictureError, match="192 x 96"):
        score("niqe", picture)


def test_the_challenge_score_is_the_sum_of_its_parts(photo, random_weights, monkeypatch):
    """CLIP-IQA, MUSIQ and MANIQA are constants here: their files are too large to be made each time."""

    class Constant(torch.nn.Module):
        def __init__(self, value):
            super().__init__()
            self.value = value

        def forward(self, pictures):
            return torch.full((len(pictures),), self.value)

    for name, value in (("clip_iqa", 0.7), ("musiq", 60.0), ("maniqa", 0.4)):
        monkeypatch.setattr(catalog, f"load_{name}", lambda path, value=value: Constant(value))
    monkeypatch.setattr("aimanga.metrics.scorer.missing_weights", lambda metric: "")
    monkeypatch.setattr("aimanga.weights.find", lambda name: aimanga.weights.weight_file(name).path)
    scorer = Scorer(["ntire_perceptual", "lpips", "dists", "niqe"])
    blurred = Picture(np.asarray(Image.fromarray(photo.pixels).resize((64, 48)).resize((256, 192))))
    values = scorer(blurred, photo).values
    expected = 2 - values["lpips"] - values["dists"] + 0.7 + 0.4 + 0.6 + (10 - values["niqe"]) / 10
    assert list(values) == ["ntire_perceptual", "lpips", "dists", "niqe"]
    assert values["ntire_perceptual"] == pytest.approx(expected, abs=1e-6)
    batch = scorer.batch(as_pictures(blurred), as_pictures(photo))
    assert {name: float(value) for name, value in batch.items()} == pytest.approx(values)
    small = Picture(photo.pixels[:60])
    assert "NIQE needs" in scorer(small, small).problems["ntire_perceptual"]


def test_what_makes_no_sense_is_refused(photo):
    with pytest.raises(UsageError, match="psnr, ssim: a reference is needed"):
        Scorer(["psnr", "niqe", "ssim"])(photo)
    with pytest.raises(UsageError, match="no metric was named"):
        Scorer([])
    with pytest.raises(UsageError, match="--device gpu"):
        Scorer(["niqe"], "gpu")
    with pytest.raises(PictureError, match="not finite"):
        score("brisque", torch.full((1, 3, 20, 20), math.nan))
    for shape in ((3, 20, 20), (1, 4, 20, 20), (0, 3, 20, 20)):
        with pytest.raises(ValueError, match="pictures are N x 3 x H x W"):
            score("brisque", torch.zeros(shape))
    with pytest.raises(TypeError, match="see aimanga.read"):
        score("brisque", photo.pixels)
    assert [metric.name for metric in Scorer(["niqe", "NIQE", "brisque"]).metrics] == ["niqe", "brisque"]
