"""The adapter, with a program that behaves as InvSR's does: its options, its files, its names of results."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from aimanga.benchmark import BenchmarkRecipe, benchmark
from aimanga.benchmark.invsr import main
from aimanga.images import Picture, write

STAND_IN = """
import argparse, json, os, sys
from pathlib import Path
from PIL import Image

parser = argparse.ArgumentParser()
parser.add_argument("-i", "--in_path", type=str, default="")
parser.add_argument("-o", "--out_path", type=str, default="")
parser.add_argument("--bs", type=int, default=1)
parser.add_argument("--chopping_bs", type=int, default=8)
parser.add_argument("-t", "--timesteps", type=int, nargs="+")
parser.add_argument("-n", "--num_steps", type=int, default=1)
parser.add_argument("--cfg_path", type=str, default="./configs/sample-sd-turbo.yaml")
parser.add_argument("--sd_path", type=str, default="")
parser.add_argument("--started_ckpt_path", type=str, default="")
parser.add_argument("--tiled_vae", type=str, default="true")
parser.add_argument("--color_fix", type=str, default="", choices=["wavelet", "ycbcr"])
parser.add_argument("--chopping_size", type=int, default=128)
args = parser.parse_args()
Path("said.json").write_text(json.dumps({**vars(args), "offline": os.environ.get("HF_HUB_OFFLINE")}))
assert Path(args.cfg_path).is_file(), "it runs in its own folder"
assert Path(args.started_ckpt_path).is_file()
assert Path(args.sd_path, "models--stabilityai--sd-turbo").is_dir()
# Of a folder it reads these, not those in subfolders; each becomes STEM.png.
for path in sorted(Path(args.in_path).iterdir()):
    if path.suffix in (".png", ".jpg", ".jpeg", ".JPEG", ".bmp"):
        image = Image.open(path)
        assert image.mode == "RGB"
        if path.stem == "bad":
            print("CUDA out of memory")
            sys.exit(1)
        image.resize((image.width * 4, image.height * 4), Image.Resampling.NEAREST).save(
            Path(args.out_path) / f"{path.stem}.png"
        )
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    for name in ("INVSR", "INVSR_PYTHON"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "InvSR"
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "sample-sd-turbo.yaml").touch()
    (folder / "sampler_invsr.py").touch()
    (folder / "inference_invsr.py").write_text(STAND_IN)
    (folder / "weights" / "models--stabilityai--sd-turbo").mkdir(parents=True)
    (folder / "weights" / "noise_predictor_sd_turbo_v5.pth").touch()
    # What its environment has, as far as the adapter looks.
    (folder / "omegaconf.py").touch()
    (folder / "diffusers.py").write_text("class StableDiffusionInvEnhancePipeline: pass")
    (folder / "torch.py").write_text("class cuda: is_available = staticmethod(lambda: True)")
    (folder / ".venv" / "bin").mkdir(parents=True)
    python = folder / ".venv" / "bin" / "python"
    # Not a link: this Python would then look for its environment here.
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return folder


@pytest.fixture
def inputs(tmp_path):
    folder = tmp_path / "inputs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    write(Picture(rng.integers(0, 256, (9, 8, 3), np.uint8)), folder / "a.webp", quality=100)
    write(Picture(rng.integers(0, 65536, (9, 8, 1), np.uint16)), folder / "deep.png")
    write(Picture(rng.integers(0, 256, (9, 8, 3), np.uint8), np.full((9, 8), 9, np.uint8)), folder / "alpha.png")
    return folder


def test_it_is_found_checked_run_and_its_results_are_there(checkout, inputs, tmp_path):
    assert main([str(inputs), str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "alpha.png", "deep.png"]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "a.png"))[::4, ::4], Image.open(inputs / "a.webp"))
    said = json.loads((checkout / "said.json").read_text())
    assert said["num_steps"] == 1
    assert said["offline"] == "1"
    assert said["chopping_size"] == 128


def test_options_are_handed_on(checkout, inputs, tmp_path):
    options = ["--steps", "3", "--chopping-size", "256", "--color-fix", "wavelet"]
    assert main([str(inputs), str(tmp_path / "out"), *options]) == 0
    said = json.loads((checkout / "said.json").read_text())
    assert (said["num_steps"], said["chopping_size"], said["color_fix"]) == (3, 256, "wavelet")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda folder: (folder / "inference_invsr.py").unlink(),
            "this is no checkout of InvSR: inference_invsr.py is",
        ),
        (lambda folder: folder.rename(folder.with_name("x")), "there is no InvSR in InvSR or "),
        (lambda folder: (folder / ".venv" / "bin" / "python").unlink(), "name that of InvSR's environment"),
        (
            lambda folder: (folder / "weights" / "noise_predictor_sd_turbo_v5.pth").unlink(),
            "the noise predictor is missing; fetch noise_predictor_sd_turbo_v5.pth from https://huggingface.co/OAOA/InvSR",
        ),
        (
            lambda folder: (folder / "weights" / "models--stabilityai--sd-turbo").rmdir(),
            "stabilityai/sd-turbo --cache-dir",
        ),
        (
            lambda folder: (folder / "diffusers.py").write_text(""),
            "InvSR cannot run in this environment: ImportError: cannot import name 'StableDiffusionInvEnhancePipeline'",
        ),
        (
            lambda folder: (folder / "torch.py").write_text("class cuda: is_available = staticmethod(lambda: False)"),
            "AssertionError: InvSR needs a CUDA GPU, and PyTorch sees none",
        ),
    ],
)
def test_what_is_missing_is_said_with_what_to_do(checkout, inputs, tmp_path, capsys, spoil, message):
    spoil(checkout)
    assert main([str(inputs), str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_two_pictures_that_would_have_one_result_are_refused(checkout, inputs, tmp_path, capsys):
    (inputs / "a.png").write_bytes((inputs / "deep.png").read_bytes())
    assert main([str(inputs), str(tmp_path / "out")]) == 2
    assert "another picture has the same name a" in capsys.readouterr().err


def test_what_it_could_not_make_is_named(checkout, inputs, tmp_path, capfd):
    (inputs / "bad.png").write_bytes((inputs / "deep.png").read_bytes())
    assert main([str(inputs), str(tmp_path / "out")]) == 1
    said = capfd.readouterr()
    assert "inference_invsr.py failed with exit code 1" in said.err
    assert "no result of bad.png, deep.png" in said.err
    assert "CUDA out of memory" in said.out


def test_it_is_a_method_of_a_benchmark(checkout, small_set, tmp_path):
    recipe = BenchmarkRecipe.model_validate(
        {
            "metrics": ["psnr"],
            "methods": [
                {"name": "bicubic", "resample": "bicubic"},
                {
                    "name": "InvSR",
                    "command": ["{python}", "-m", "aimanga.benchmark.invsr", "{input_folder}", "{output_folder}"],
                },
            ],
            "sets": [{"name": "Small", "folder": str(small_set)}],
        }
    )
    report = benchmark(recipe, tmp_path / "out")
    assert report.exit_code == 0, report.failures
    found = report.sets["Small"]
    assert found.mean("InvSR", "psnr") < found.mean("bicubic", "psnr")  # it repeats pixels here
    assert found.methods["InvSR"].memory > 2**20
    assert "/" not in json.loads((checkout / "said.json").read_text())["in_path"].rsplit("aimanga-invsr-", 1)[1]
