"""What only a GPU can show; every test is skipped where there is none."""

import numpy as np
import pytest
import torch

import aimanga
from aimanga.degrade import degrade, draw, load_degradation
from aimanga.images import Picture, write
from aimanga.metrics import score
from aimanga.tensors import from_array
from aimanga.train import train
from aimanga.train.log import read_log

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


@pytest.fixture
def photo(samples):
    return aimanga.read(samples / "owl.jpg")


@pytest.mark.parametrize(("precision", "least"), [("fp32", 100), ("auto", 60), ("bf16", 45)])
def test_pictures_are_those_of_the_cpu(photo, precision, least):
    expected = aimanga.upscale(photo, device="cpu", precision="fp32")
    found = aimanga.upscale(photo, device="cuda", precision=precision)
    assert aimanga.metrics.score("psnr", found, expected) > min(least, 55)  # both are rounded to 8 bits


@pytest.mark.parametrize("metric", ["niqe", "brisque"])
def test_scores_are_those_of_the_cpu(photo, metric):
    assert score(metric, photo, device="cuda") == pytest.approx(score(metric, photo, device="cpu"), rel=1e-3)


def test_degradation_without_noise_is_that_of_the_cpu(photo):
    recipe = load_degradation("bicubic")
    high = from_array(photo.pixels[:128, :128].copy())
    sample = draw(recipe, 128, 128, 0)
    assert (degrade(high, [sample]) - degrade(high.cuda(), [sample]).cpu()).abs().max() <= 1 / 255 + 1e-6


@pytest.fixture
def recipe(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (96, 96, 3), np.uint8)
        write(Picture(pixels), folder / f"{number}.png")
    path = tmp_path / "recipe.toml"
    path.write_text(
        "[model]\nstart = 'none'\nfeatures = 8\nblocks = 2\ngrowth = 4\n[discriminator]\nfeatures = 4\n"
        "[data]\nsources = [{ path = 'photos' }]\ncrop = 64\n[losses]\npixel = {}\ngan = { weight = 0.01 }\n"
        "[train]\niterations = 12\nbatch_size = 2\n[validation]\nevery = 6\nheld_out = 1\ncrop = 64\n"
        "metrics = ['psnr']\n[saving]\nevery = 4\n[logging]\nevery = 3\ntensorboard = false\n"
    )
    return path


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["data.degrade_on=device"],
        ["data.workers=1"],
        ["compute.precision=fp16"],
        ["compute.compile=true"],
        ["model.freeze=1", "stored.halo=2", "data.outer_crop=96", "train.batch_size=2"],
    ],
)
def test_it_trains_and_resumes(recipe, tmp_path, settings):
    folder = tmp_path / "run"
    half = [*settings, "train.iterations=6"]
    assert train(recipe, folder, set=half, device="cuda").iteration == 6
    assert train(recipe, folder, set=settings, resume=True, device="cuda").reason == "finished"
    trained = [event for event in read_log(folder) if event["event"] == "train"]
    assert [event["iteration"] for event in trained] == [3, 6, 9, 12]
    assert all(np.isfinite(event["l1"]) for event in trained)


def test_a_cpu_can_be_asked_for_where_there_is_a_gpu(recipe, tmp_path):
    assert train(recipe, tmp_path / "run", set=["train.iterations=1"], device="cpu").reason == "finished"


def test_an_iteration_does_not_wait_for_the_gpu(recipe, tmp_path, monkeypatch):
    """Between two lines of the log nothing is copied back: PyTorch raises where it would synchronize."""
    from aimanga.train.learner import Learner

    usual = Learner.step

    def strict(self, *arguments, **how):
        torch.cuda.set_sync_debug_mode("error")
        try:
            return usual(self, *arguments, **how)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(Learner, "step", strict)
    assert train(recipe, tmp_path / "run", device="cuda").reason == "finished"
