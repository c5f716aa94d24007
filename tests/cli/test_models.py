import re

import numpy as np
import pytest
import torch

from aimanga.images import Picture, write
from aimanga.models import MODELS, RRDBNet, load_model, save_checkpoint


@pytest.fixture(autouse=True)
def empty_home(tmp_path, monkeypatch):
    monkeypatch.setenv("AIMANGA_WEIGHTS", str(tmp_path / "home"))


@pytest.fixture
def tiny(tmp_path):
    def save(name, **about):
        torch.manual_seed(len(name))
        save_checkpoint(tmp_path / name, RRDBNet(features=8, blocks=1, growth=4), **about)
        return tmp_path / name

    return save


def in_one_line(text):
    return re.sub(r"\s+", " ", text)


def test_every_model_is_listed_with_its_licence(aimanga_cli):
    lines = aimanga_cli("models").stdout.splitlines()
    for model in MODELS:
        line = next(line for line in lines if line.startswith(f"{model.name} "))
        assert model.license in line
        assert f"x{model.scale}" in line
        assert ("here" if model.weights.present else "absent") in line
    assert sum("(default)" in line for line in lines) == 1


def test_details_on_request(aimanga_cli):
    shown = aimanga_cli("models", "--verbose").stdout
    assert "RRDBNet" in shown
    assert "Flickr2K" in shown.replace("\n", "")


def test_show_tells_what_a_network_costs_and_where_it_comes_from(aimanga_cli, tiny):
    shown = in_one_line(aimanga_cli("models", "show", "realesrgan-x4plus").stdout)
    for fact in ("16.70 M", "17.9 M per pixel", "699 x 699 pixels", "BSD-3-Clause", "blocks 23"):
        assert fact in shown
    path = tiny("a.safetensors", license="CC0-1.0", training_data="my photos", parent="chance", recipe="none")
    shown = in_one_line(aimanga_cli("models", "show", path).stdout)
    for fact in ("features 8", "CC0-1.0", "my photos", "chance"):
        assert fact in shown


def test_mix_and_export_make_models_that_can_be_shown(aimanga_cli, tiny, tmp_path):
    mixed, exported = tmp_path / "mixed.safetensors", tmp_path / "exported.pth"
    result = aimanga_cli("models", "mix", f"{tiny('a.safetensors')}=0.3", f"{tiny('bb.safetensors')}=0.7", "-o", mixed)
    assert result.returncode == 0, result.stderr
    result = aimanga_cli("export", mixed, "-o", exported)
    assert result.returncode == 0, result.stderr
    assert "attention none, upsampler nearest" in result.stdout
    assert "RRDBNet" in aimanga_cli("models", "show", exported).stdout


def test_mix_writes_the_sum_and_says_what_it_is(aimanga_cli, tiny, tmp_path):
    a, b = tiny("a.safetensors", license="MIT"), tiny("b=c.safetensors", license="CC0-1.0")
    out = tmp_path / "out.safetensors"
    result = aimanga_cli("models", "mix", "-o", out, f"{a}=1.5", f"{b}=-0.25")
    assert result.returncode == 0, result.stderr
    shown = in_one_line(result.stdout)
    assert f"{out}: 1.5 {a} - 0.25 {b} licence MIT AND CC0-1.0 the factors sum to 1.25, not to 1" in shown
    made = load_model(out)
    assert made.parent.startswith(f"1.5 {a} (sha256 ")
    expected = 1.5 * load_model(a).network.conv_first.weight - 0.25 * load_model(b).network.conv_first.weight
    torch.testing.assert_close(made.network.conv_first.weight, expected)
    again = aimanga_cli("models", "mix", "-o", out, f"{a}=1")
    assert again.returncode == 2
    assert "this file exists; choose another name, or --overwrite" in in_one_line(again.stderr)
    assert aimanga_cli("models", "mix", "-o", out, f"{a}=1", "--overwrite").returncode == 0


def test_sweep_prints_scores_and_the_command_of_each_point(aimanga_cli, tiny, tmp_path):
    a, b = tiny("a.safetensors", license="MIT"), tiny("bb.safetensors", license="MIT")
    folder = tmp_path / "val"
    folder.mkdir()
    write(Picture(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)), folder / "p.png")
    arguments = ("models", "sweep", folder, f"{a}=0", f"{b}=1", "--steps", "2", "-o", tmp_path / "curve")
    result = aimanga_cli(*arguments, "-m", "brisque")
    assert result.returncode == 0, result.stderr
    shown = in_one_line(result.stdout)
    assert "2 mixtures, 1 picture, x4" in shown
    assert "BRISQUE" in shown and "report.html" in shown
    assert f"t=1 aimanga models mix -o mixed.safetensors {b}=1" in shown
    wrong = aimanga_cli(*arguments, "-m", "psnr")
    assert wrong.returncode == 2 and "this set has none" in in_one_line(wrong.stderr)
    assert aimanga_cli(*arguments).returncode == 1  # the picture is too small for NIQE


def test_wrong_usage_is_2_and_says_why(aimanga_cli, tiny, tmp_path):
    path = tiny("a.safetensors")
    for arguments, message in (
        (["models", "show", "nothing"], "no model of this name"),
        (["models", "show", "realesrgan-x2plus"], "aimanga weights fetch realesrgan-x2plus"),
        (
            ["export", path, "-o", tmp_path / "a.onnx", "--preset", "other"],
            "--preset other: Input should be 'realesrgan' or 'aimanga'",
        ),
        (["export", path, "-o", tmp_path / "a.txt"], "exported as"),
        (["models", "mix", f"{path}=a", "b=nan", "-o", tmp_path / "c.safetensors"], "b=nan: a factor is a finite"),
    ):
        result = aimanga_cli(*arguments)
        assert result.returncode == 2
        assert message in in_one_line(result.stderr)
        assert "Traceback" not in result.stderr
