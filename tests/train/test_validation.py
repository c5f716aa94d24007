import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import aimanga
from aimanga.degrade import load_degradations
from aimanga.errors import UsageError
from aimanga.images import Picture, write
from aimanga.metrics import score
from aimanga.models import RRDBNet, load_model, save_checkpoint
from aimanga.tensors import from_array
from aimanga.train.sources import find_sets
from aimanga.train.validation import Example, History, Validator, is_better, lower_is_better
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
    assert found.scores["held_out"].keys() == {"l1", "psnr", "brisque"}
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
    assert found.scores["real"].keys() == {"brisque"}
    assert examples(validator)["real"][0].low.shape == (1, 3, 16, 16)
    assert set(found.grids) == {"held_out", "real"}


def test_the_damage_is_the_same_each_time_and_in_any_company(photos, prepared):
    photos("a", ["x", "y"], 96, 96)
    one, again = (examples(prepared())["held_out"] for _ in range(2))
    alone = examples(prepared(source='path = "a/y.png"'))["held_out"]
    other = examples(prepared("train.seed=1"))["held_out"]
    for first, second in zip(one, again, strict=True):
        assert torch.equal(first.low, second.low)
        assert torch.equal(first.high, second.high)
    assert torch.equal(one[1].low, alone[0].low)
    assert not torch.equal(one[0].low, other[0].low)


def test_the_middle_is_looked_at_and_stored_pairs_stay_aligned(prepared, tmp_path):
    high = noise(0, 100, 92)
    for folder, pixels in (("a", high), ("low", high[::4, ::4])):
        (tmp_path / folder).mkdir()
        write(Picture(np.ascontiguousarray(pixels)), tmp_path / folder / "x.png")
    [example] = examples(prepared(source='path = "a"\nlr = "low"'))["held_out"]
    assert torch.equal(example.high[:, :, ::4, ::4], example.low)
    assert torch.equal(example.high, from_array(np.ascontiguousarray(high[12:76, 16:80])))


def test_a_picture_smaller_than_the_crop_is_taken_whole(photos, prepared):
    photos("a", ["x"], 51, 37)
    [example] = examples(prepared())["held_out"]
    assert example.high.shape == (1, 3, 36, 48)


def test_what_is_too_small_for_a_metric_is_left_out_with_one_warning(photos, prepared, model, tmp_path):
    photos("a", ["x", "y"], 64, 64)
    validator = prepared('validation.metrics=["niqe"]')
    first, second = (validator.run(model, model, tmp_path / "out") for _ in range(2))
    assert first.scores["held_out"].keys() == {"l1"}
    assert len(first.warnings) == 1
    assert "held_out niqe is left out for 2 of 2 pictures: x: NIQE needs" in first.warnings[0]
    assert second.warnings == ()


@pytest.mark.parametrize(
    ("real", "settings", "decides"),
    [
        (False, [], "held_out l1"),
        (True, [], "held_out l1"),
        (True, ["validation.best=brisque"], "real brisque"),
        (False, ["validation.best=brisque"], "held_out brisque"),
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


def test_all_that_cannot_be_read_is_named(photos, read_recipe, tmp_path):
    photos("a", ["x"])
    broken = photos("real", ["p"]) / "q.png"
    broken.write_bytes(b"nothing")
    settings = [*SETTINGS, f"validation.real={broken.parent}", f"validation.pictures={tmp_path / 'gone'}"]
    with pytest.raises(UsageError) as caught:
        Validator.prepared(read_recipe('path = "a"', settings=settings), [], 4, load_degradations("bicubic"), CPU)
    assert "--set validation.pictures: no such file or folder" in str(caught.value)
    assert "--set validation.real: " in str(caught.value)
    assert "q.png" in str(caught.value)
    with pytest.raises(UsageError, match=r"line \d+, validation\.held_out: there is no validation set"):
        Validator.prepared(read_recipe('path = "a"', settings=SETTINGS), [], 4, load_degradations("bicubic"), CPU)


def test_metrics_are_looked_at_before_any_work(read_recipe, monkeypatch, tmp_path):
    monkeypatch.setenv("AIMANGA_WEIGHTS", str(tmp_path))
    settings = ['validation.metrics=["nice", "nrqm", "psnr"]', "validation.best=ssim"]
    with pytest.raises(UsageError) as caught:
        Validator.check(read_recipe('path = "a"', settings=settings))
    message = str(caught.value)
    assert "--set validation.metrics: nice: there is no metric of this name" in message
    assert "aimanga weights fetch nrqm" in message
    assert "--set validation.best: ssim is neither l1 nor among the metrics" in message
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


def scores(l1, psnr):
    return {"held_out": {"l1": l1, "psnr": psnr}}


def test_the_best_and_the_worse():
    history = History()
    assert history.add(0, scores(0.10, 20.0)) == (["held_out l1", "held_out psnr"], [])
    assert history.add(10, scores(0.09, 19.0)) == (["held_out l1"], ["held_out psnr"])
    assert history.add(20, scores(0.095, 21.0)) == (["held_out psnr"], [])
    assert history.add(30, scores(0.095, math.nan)) == ([], ["held_out psnr"])
    assert history.add(40, scores(0.2, math.inf)) == (["held_out psnr"], ["held_out l1"])
    assert history.best == {"held_out l1": 0.09, "held_out psnr": math.inf}
    assert history.iterations == {"held_out l1": 10, "held_out psnr": 40}


def test_a_history_goes_on_from_json():
    history = History()
    history.add(0, scores(0.1 + 0.2, 20.0))
    history.add(10, scores(0.2, math.inf))
    again = History.from_json(json.loads(json.dumps(history.to_json(), allow_nan=False)))
    assert again == history


def test_directions():
    assert lower_is_better("l1") and lower_is_better("niqe") and not lower_is_better("psnr")
    assert is_better("psnr", 21, 20)
    assert not is_better("l1", 0.2, 0.1)
    assert not is_better("niqe", 3.0, 3.0)
