import re
import sys

import numpy as np
import pytest

from aimanga.images import Picture, write

RECIPE = """
description = "tiny"
[model]
start = "none"
features = 4
blocks = 1
growth = 2
[data]
sources = [{ path = "photos" }]
degradation = "bicubic"
crop = 16
[losses]
pixel = {}
[train]
iterations = 3
batch_size = 1
[validation]
every = 2
held_out = 1
crop = 32
metrics = ["psnr"]
[logging]
every = 1
tensorboard = false
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8)
        write(Picture(pixels), tmp_path / "photos" / f"{number}.png")
    path = tmp_path / "train-tiny.toml"
    path.write_text(RECIPE)
    return path


def test_it_trains_and_says_what_it_made(aimanga_cli, recipe, tmp_path):
    done = aimanga_cli("train", recipe, "-o", tmp_path / "run", "--device", "cpu", "--set", "train.lr=1e-3")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"random weights on CPU, \d+ threads?, (fp32|bf16); weights: generator [\d,]+", lines[1])
    assert lines[2] == "training on 1 picture, validation on 1 held-out and 0 real ones"
    assert re.fullmatch(r"      0  held out: l1 [\d.]+, psnr [\d.]+(, (grid|noise|colour_drift) [\d.]+)+", lines[3])
    assert any(
        re.fullmatch(r"      [23]  held out: l1 [\d.]+ \((best|worse than at the start)\), .*", line) for line in lines
    )
    assert "finished at iteration 3" in lines
    for name in ("best.safetensors", "latest.safetensors", "report.html"):
        assert f"written   {tmp_path / 'run' / name}" in lines
        assert (tmp_path / "run" / name).is_file()
    assert "lr = 0.001" in (tmp_path / "run" / "recipe.toml").read_text()


def test_the_run_is_named_after_the_recipe(aimanga_cli, recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert aimanga_cli("train", recipe, "--device", "cpu").returncode == 0
    assert (tmp_path / "runs" / "tiny" / "best.safetensors").is_file()


def test_it_goes_on_without_naming_the_recipe_again(aimanga_cli, recipe, tmp_path):
    run = tmp_path / "run"
    done = aimanga_cli("train", recipe, "-o", run, "--device", "cpu", "--set", "train.hours=1e-9")
    assert done.returncode == 0
    assert "out of time at iteration 0" in done.stdout
    assert f"aimanga train -o {run} --resume" in done.stdout
    done = aimanga_cli("train", "-o", run, "--resume", "--device", "cpu", "--set", "train.hours=1")
    assert done.returncode == 0
    assert "resumes at iteration 0" in done.stdout
    assert "finished at iteration 3" in done.stdout


def test_data_can_be_named(aimanga_cli, recipe, tmp_path):
    photos = tmp_path / "photos"
    done = aimanga_cli("train", recipe, "-o", tmp_path / "run", "--device", "cpu", "--data", photos / "0.png",
                           "--data", photos / "1.png", "--set", "validation.held_out=0",
                           "--set", f"validation.real={photos}", "--set", "validation.metrics=['brisque']")  # fmt: skip
    assert done.returncode == 0
    assert "training on 2 pictures, validation on 0 held-out and 2 real ones" in done.stdout
    assert "real: brisque" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "a recipe is needed, or --resume with --output"),
        (["train", "--resume"], "a recipe is needed, or --resume with --output"),
        (["train", "nothing"], "nothing: no such file, and the recipes that come with aimanga are"),
        (["train", "RECIPE", "--set", "train.lr"], "--set train.lr: a setting is a key and its value"),
        (["train", "RECIPE", "--set", "train.lr=-1"], "--set train.lr: Input should be greater than 0"),
        (["train", "RECIPE", "--data", "gone"], "no such file or folder"),
        (["train", "RECIPE", "--device", "cuda:9"], "--device cuda:9"),
        (
            ["train", "RECIPE", "--set", "train.batch_size=5"],
            "--set train.batch_size: a batch of 5 is larger",
        ),
    ],
)
def test_wrong_usage(aimanga_cli, recipe, tmp_path, arguments, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = aimanga_cli(*(recipe if part == "RECIPE" else part for part in arguments))
    assert done.returncode == 2
    assert message in done.stderr


def test_an_extra_that_is_not_installed_is_named(aimanga_cli, recipe, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("lightning_fabric", "aimanga.train"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    done = aimanga_cli("train", recipe)
    assert done.returncode == 2
    assert "pip install 'aimanga[train]'" in done.stderr


def test_it_explains_what_a_recipe_means_and_costs(aimanga_cli, recipe, tmp_path):
    done = aimanga_cli("train", recipe, "--explain", "--device", "cpu", "--set", "train.lr=3e-4")
    assert done.returncode == 0
    text = " ".join(done.stdout.split())
    for part in (
        "tiny", "train.lr = 0.0003 Learning rate.", "losses.gan = - The adversarial loss.",
        "3 crops of 16 x 16 pixels in 3 iterations", "of memory per device", "s per iteration", "measured here",
        'validation.metrics = ["psnr"]', 'compute.compile = "auto"',
    ):  # fmt: skip
        assert part in text
    assert not (tmp_path / "runs").exists()
