from dataclasses import replace

import numpy as np
import pytest
import torch

import aimanga
from aimanga.degrade import load_degradations
from aimanga.errors import UsageError
from aimanga.images import Picture
from aimanga.metrics import score
from aimanga.metrics.artifacts import LIMITS, find_artifacts
from aimanga.models import RRDBNet, load_model, save_checkpoint
from aimanga.tensors import from_array
from aimanga.train.sources import find_sets
from aimanga.train.validation import Validator
from aimanga.train.validation_sets import Example
from tests.train.conftest import noise

CPU = torch.device("cpu")
SETTINGS = ['validation.metrics=["psnr", "brisque"]', "validation.crop=64", "validation.grid=1"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A network that makes something of a picture, and its file."""
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = RRDBNet(features=8, blocks=1, growth=4)
    save_checkpoint(path, network, scale=4)
    return load_model(path)


@pytest.fixture
def prepared(read_recipe):
    """A validator of a recipe, with all pictures of its first source held out."""

    def make(*settings, source='path = "a"', degradation="realesrgan"):
        file = read_recipe(source, settings=[*SETTINGS, *settings])
        items = find_sets(file, 4)[0].items
        return Validator.prepared(file, items, 4, load_degradations(degradation), CPU)

    return make


def examples(validator):
    return validator._examples


def test_held_out_pictures_are_measured_with_their_true_ones(photos, prepared, model, tmp_path):
    photos("a", ["x", "y"], 96, 80)
    validator = prepared()
    found = validator.run(model, model, tmp_path / "out")
    assert found.scores.keys() == {"held_out"}
    assert found.scores["held_out"].keys() - LIMITS.keys() == {"l1", "psnr", "brisque"}
    psnr, difference = [], []
    for example in examples(validator)["held_out"]:
        assert example.high.shape == (1, 3, 64, 64)
        assert example.low.shape == (1, 3, 16, 16)
        picture = Picture((example.low[0].permute(1, 2, 0) * 255).round().byte().numpy())
        made = aimanga.upscale(picture, model=model.name, device="cpu")  # what a user gets
        true = Picture((example.high[0].permute(1, 2, 0) * 255).round().byte().numpy())
        psnr.append(score("psnr", made, true))
        difference.append(np.abs(made.pixels.astype(float) - true.pixels).mean() / 255)
    assert found.scores["held_out"]["psnr"] == pytest.approx(np.mean(psnr), abs=1e-9)
    assert found.scores["held_out"]["l1"] == pytest.approx(np.mean(difference), abs=1e-3)
    assert found.grids == {"held_out": tmp_path / "out" / "held_out.png"}
    assert found.grids["held_out"].is_file()


def test_real_pictures_are_measured_alone(photos, prepared, model, tmp_path):
    photos("a", ["x"], 96, 96)
    photos("real", ["p", "q"], 40, 30)
    validator = prepared(f"validation.real={tmp_path / 'real'}")
    assert (validator.count("held_out"), validator.count("real")) == (1, 2)
    found = validator.run(model, model, tmp_path / "out")
    assert found.scores["real"].keys() - LIMITS.keys() == {"brisque"}
    assert examples(validator)["real"][0].low.shape == (1, 3, 16, 16)
    assert set(found.grids) == {"held_out", "real"}


def test_what_is_too_small_for_a_metric_is_left_out_with_one_warning(photos, prepared, model, tmp_path):
    photos("a", ["x", "y"], 64, 64)
    validator = prepared('validation.metrics=["niqe"]')
    first, second = (validator.run(model, model, tmp_path / "out") for _ in range(2))
    assert first.scores["held_out"].keys() - LIMITS.keys() == {"l1"}
    [warning] = [message for message in first.warnings if "left out" in message]
    assert "held_out niqe is left out for 2 of 2 pictures: x: NIQE needs" in warning
    assert second.warnings == ()


@pytest.mark.parametrize(
    ("real", "settings", "decides"),
    [
        (False, [], "held_out l1"),
        (True, [], "held_out l1"),
        (True, ["validation.best=brisque"], "real brisque"),
        (False, ["validation.best=brisque"], "held_out brisque"),
        (True, ["validation.best=Colour-drift"], "real colour_drift"),
        (True, ["validation.best=psnr"], "held_out psnr"),
    ],
)
def test_what_decides(photos, prepared, tmp_path, real, settings, decides):
    photos("a", ["x"], 96, 96)
    photos("real", ["p"], 40, 40)
    given = [f"validation.real={tmp_path / 'real'}"] if real else []
    assert prepared(*given, *settings).decides == decides


def test_with_real_pictures_alone_a_metric_decides(photos, read_recipe, tmp_path):
    photos("a", ["x"], 96, 96)
    photos("real", ["p"], 40, 40)
    file = read_recipe('path = "a"', settings=[*SETTINGS, f"validation.real={tmp_path / 'real'}"])
    assert Validator.prepared(file, [], 4, load_degradations("bicubic"), CPU).decides == "real brisque"
    file = read_recipe(
        'path = "a"', settings=[*SETTINGS, f"validation.real={tmp_path / 'real'}", "validation.best=psnr"]
    )
    with pytest.raises(UsageError, match=r"--set validation\.best: psnr "):
        Validator.prepared(file, [], 4, load_degradations("bicubic"), CPU)


def test_metrics_are_looked_at_before_any_work(read_recipe, monkeypatch, tmp_path):
    monkeypatch.setenv("AIMANGA_WEIGHTS", str(tmp_path))
    settings = ['validation.metrics=["nice", "nrqm", "psnr"]', "validation.best=ssim"]
    with pytest.raises(UsageError) as caught:
        Validator.check(read_recipe('path = "a"', settings=settings))
    message = str(caught.value)
    assert "--set validation.metrics: nice: there is no metric of this name" in message
    assert "aimanga weights fetch nrqm" in message
    assert (
        "--set validation.best: ssim is neither among the metrics nor one of l1, grid, noise, colour_drift" in message
    )
    Validator.check(read_recipe('path = "a"', settings=SETTINGS))


def test_what_it_made_at_first_is_made_once(photos, prepared, model, tmp_path):
    photos("a", ["x"], 96, 96)
    validator = prepared()
    other = replace(model, network=RRDBNet(features=8, blocks=1, growth=4).eval())
    validator.run(model, model, tmp_path / "0")
    first = validator._start["held_out"][0].pixels
    validator.run(other, other, tmp_path / "1")
    assert validator._start["held_out"][0].pixels is first


def test_gray_pictures_stay_gray(photos, read_recipe, model, tmp_path):
    gray = Example("g", from_array(noise(0, 16, 16)[:, :, :1].repeat(3, 2)), from_array(noise(1, 64, 64)))
    validator = Validator({"held_out": [gray]}, read_recipe('path = "a"', settings=SETTINGS).recipe, 4, CPU)
    validator.run(model, model, tmp_path)
    made = validator._start["held_out"][0].pixels
    assert np.array_equal(made[:, :, 0], made[:, :, 1])


PLAIN = (90, 120, 150)


def flat_examples():
    """A flat picture with ground truth; the same without it, and a picture of noise."""
    low, high = (from_array(np.full((side, side, 3), PLAIN, np.uint8)) for side in (32, 128))
    real = [Example("plain", low, None), Example("noise", from_array(noise(0, 32, 32)), None)]
    return {"held_out": [Example("plain", low, high)], "real": real}


@pytest.fixture
def shuffled(model):
    """A network whose PixelShuffle starts with random phases, and gives a picture with them in it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = RRDBNet(features=8, blocks=1, growth=4, upsampler="pixelshuffle").eval()
    network.conv_last.bias.data.fill_(0.5)
    return replace(model, network=network)


def test_artifacts_are_scores_of_every_set(read_recipe, shuffled, tmp_path):
    """Each is the mean over the pictures that have it: noise has no flat areas."""
    validator = Validator(flat_examples(), read_recipe('path = "a"', settings=SETTINGS).recipe, 4, CPU)
    found = validator.run(shuffled, shuffled, tmp_path)
    output = validator._start["real"][0].pixels
    alone = find_artifacts(np.full((32, 32, 3), PLAIN, np.uint8), output).values
    assert alone.keys() == LIMITS.keys()
    for name in ("grid", "noise"):
        assert found.scores["real"][name] == found.scores["held_out"][name] == alone[name]
    assert found.scores["held_out"]["colour_drift"] == alone["colour_drift"] != found.scores["real"]["colour_drift"]


def test_an_artifact_above_its_limit_is_warned_of_once(read_recipe, shuffled, tmp_path):
    recipe = read_recipe('path = "a"', settings=SETTINGS).recipe
    validator = Validator(flat_examples(), recipe, 4, CPU)
    first, second = (validator.run(shuffled, shuffled, tmp_path / "out").warnings for _ in range(2))
    for kind in ("held_out", "real"):
        assert any(message.startswith(f"{kind} grid is ") and ", above 2: " in message for message in first)
    assert second == ()


def test_random_weights_are_not_warned_of_before_they_are_trained(read_recipe, shuffled, tmp_path):
    recipe = read_recipe('path = "a"', settings=[*SETTINGS, "model.start=none"]).recipe
    validator = Validator(flat_examples(), recipe, 4, CPU)
    first, second = (validator.run(shuffled, shuffled, tmp_path / "out").warnings for _ in range(2))
    assert first == ()
    assert any("grid is" in message for message in second)


def test_a_grid_decides_where_a_picture_is_flat(read_recipe):
    recipe = read_recipe('path = "a"', settings=[*SETTINGS, "validation.best=grid"]).recipe
    examples = flat_examples()
    assert Validator(examples, recipe, 4, CPU).decides == "real grid"
    del examples["real"][0]
    assert Validator(examples, recipe, 4, CPU).decides == "held_out grid"
    with pytest.raises(UsageError, match="grid cannot be computed: .* or none has flat areas"):
        Validator({"real": examples["real"]}, recipe, 4, CPU)
