import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from aimanga.cli.upscale import _announce
from aimanga.upscale import UpscaleOptions
from aimanga.upscale.files import plan_upscale


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name in ("a.png", "b.jpg", "sub/c.png"):
        Image.fromarray(np.full((6, 8, 3), 99, np.uint8)).save(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").touch()
    return tmp_path / "in"


def test_it_says_what_it_does_and_what_it_did(aimanga_cli, photos, tmp_path, nearest_model):
    result = aimanga_cli("upscale", photos, "-o", tmp_path / "out", "-m", nearest_model)
    assert result.returncode == 0, result.stderr
    first, second, *rest = result.stdout.splitlines()
    assert first.startswith(f"{nearest_model} on CPU, ")
    assert second.startswith("2 of 2 pictures to upscale, 0.00 -> 0.0 megapixels, about ")
    assert rest[0] == "1 other file skipped"
    assert rest[1] == "1 subfolder skipped (--recursive enters them)"
    assert f"done     {tmp_path / 'out' / 'a.png'}  8 x 6 -> 32 x 24" in rest[2]
    assert rest[-1].startswith("2 done, 0 skipped, 0 failed in ")
    again = aimanga_cli("upscale", photos, "-o", tmp_path / "out", "-m", nearest_model)
    assert "2 already there (--overwrite replaces them)" in again.stdout
    assert "0 done, 2 skipped, 0 failed" in again.stdout


@pytest.mark.parametrize(
    ("model", "megapixels", "faster"),
    [
        ("realesrgan-x4plus-anime", 100, "realesr-animevideov3-x4"),
        ("realesrgan-x4plus-anime", 0.001, None),
        ("realesr-animevideov3-x4", 10**6, None),
    ],
)
def test_a_long_batch_names_a_faster_model(photos, tmp_path, capsys, model, megapixels, faster):
    plan = plan_upscale(photos / "a.png", tmp_path / "out", UpscaleOptions(model=model, device="cpu"))
    (picture,) = plan.pictures
    long = replace(plan, pictures=(replace(picture, job=replace(picture.job, cost=megapixels * 1e6)),))
    _announce(Console(width=200), long)
    estimates = [line for line in capsys.readouterr().out.splitlines() if "about" in line]
    assert len(estimates) == 1 + (faster is not None)
    assert faster is None or f"with --model {faster}, which is small and fast" in estimates[1]


def test_every_option_reaches_the_result(aimanga_cli, photos, tmp_path, nearest_model):
    result = aimanga_cli(
        "upscale", photos, "-o", tmp_path / "out", "--model", nearest_model, "--scale", 2, "--strength", 0.5,
        "--format", "webp", "--quality", 100, "--device", "cpu", "--precision", "fp32", "--recursive",
        "--suffix", "_big", "--overwrite", "--strip-metadata", "--report", tmp_path / "r.jsonl", "--jobs", 2,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    for name in ("a_big.webp", "b_big.webp", "sub/c_big.webp"):
        image = Image.open(tmp_path / "out" / name)
        assert image.size == (16, 12)
        assert np.asarray(image)[0, 0].tolist() == [99, 99, 99]
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert {(line["strength"], line["precision"], line["device"]) for line in lines} == {(0.5, "fp32", "cpu")}


def test_failed_files_give_1_and_the_others_are_made(aimanga_cli, photos, tmp_path, nearest_model):
    (photos / "broken.png").write_text("text")
    result = aimanga_cli("upscale", photos, "-o", tmp_path / "out", "-m", nearest_model)
    assert result.returncode == 1
    assert f"failed   {photos / 'broken.png'}: cannot be read as a picture" in result.stdout
    assert "2 done, 0 skipped, 1 failed" in result.stdout


def test_a_dry_run_writes_nothing(aimanga_cli, photos, tmp_path, nearest_model):
    (photos / "broken.png").write_text("text")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").touch()
    result = aimanga_cli("upscale", photos, "-o", tmp_path / "out", "-m", nearest_model, "--dry-run")
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert lines[0] == f"skips     {tmp_path / 'out' / 'a.png'}  (already there)"
    assert lines[1] == f"upscales  {photos / 'b.jpg'} -> {tmp_path / 'out' / 'b.jpg'}  8 x 6 -> 32 x 24"
    assert lines[2].startswith(f"fails     {photos / 'broken.png'}: ")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]
