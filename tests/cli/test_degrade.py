import re

import numpy as np
import pytest
from PIL import Image

from aimanga.degrade import load_degradation
from tests.conftest import ROOT


def test_preview_writes_a_sheet(aimanga_cli, samples, tmp_path):
    sheet = tmp_path / "sheet.png"
    result = aimanga_cli("degrade", "preview", samples / "owl.jpg", "-o", sheet, "--recipe", "realesrgan", "-n", 3)
    assert result.returncode == 0, result.stderr
    width, height = Image.open(sheet).size
    assert result.stdout == f"{sheet}: 3 samples of {samples / 'owl.jpg'}, {width} x {height}\n"
    assert width == 2 * 384 + 3 * 12


def test_pairs_says_what_it_does_and_goes_on_where_it_stopped(aimanga_cli, samples, tmp_path):
    command = ["degrade", "pairs", samples, "-o", tmp_path / "out", "--recipe", "bicubic", "--per-image", 2,
               "--crop", 64, "--seed", 3, "--report", tmp_path / "r.jsonl"]  # fmt: skip
    result = aimanga_cli(*command)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "recipe bicubic: 6 pairs of 3 pictures"
    assert lines[1] == "1 other file skipped"
    assert any(
        line.startswith(f"done     {tmp_path / 'out' / 'LR' / 'owl_1.png'}  64 x 64 -> 16 x 16") for line in lines
    )
    assert lines[-1].startswith("6 done, 0 skipped, 0 failed in ")
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 6
    assert "0 done, 6 skipped, 0 failed" in aimanga_cli(*command).stdout
    again = aimanga_cli("degrade", "remake", tmp_path / "out", "LR/owl_2.png", "-o", tmp_path / "again.png")
    assert again.stdout == f"{tmp_path / 'again.png'}: 16 x 16\n"
    pixels = [np.asarray(Image.open(path)) for path in (tmp_path / "again.png", tmp_path / "out" / "LR" / "owl_2.png")]
    assert np.array_equal(*pixels)


def test_a_picture_that_is_too_small_gives_1(aimanga_cli, samples, tmp_path):
    result = aimanga_cli("degrade", "pairs", samples, "-o", tmp_path / "out", "--recipe", "bicubic", "--crop", 196)
    assert result.returncode == 1
    assert "owl.jpg: 192 x 192 is smaller than the crop of 196" in result.stdout
    assert "0 done, 0 skipped, 3 failed" in result.stdout


def test_recipes_are_listed_and_printed(aimanga_cli):
    listed = aimanga_cli("degrade", "recipes").stdout
    assert [line.partition(":")[0] for line in listed.splitlines()] == ["aimanga", "realesrgan", "light", "bicubic"]
    printed = aimanga_cli("degrade", "recipes", "realesrgan").stdout
    assert printed == (ROOT / "recipes" / "degrade-realesrgan.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["preview", "no.png", "-o", "{tmp}/s.png"], "no.png"),
        (["preview", "{samples}/owl.jpg", "-o", "{tmp}/s.xyz"], "not as .xyz"),
        (["preview", "{samples}/owl.jpg", "-o", "{tmp}/s.png", "--recipe", "{bad}"], "isotropic 0.9 are 0.9, not 1"),
        (["pairs", "{tmp}", "-o", "{tmp}/out"], "no pictures found"),
        (["pairs", "{samples}", "-o", "{tmp}/out", "--crop", "30"], "multiple of the scale"),
        (["pairs", "{samples}", "-o", "{tmp}/out", "--recipe", "none"], "no such file, and the recipes"),
        (["remake", "{tmp}", "LR/a_1.png", "-o", "{tmp}/a.png"], "manifest.jsonl: No such file"),
        (["fit", "--hq", "{samples}", "--real", "{samples}", "-o", "{tmp}/r.txt"], "a recipe is a .toml file"),
        (["fit", "--hq", "{samples}", "--real", "{samples}", "-o", "{tmp}/no/r.toml"], "no: there is no such folder"),
        (
            ["fit", "--hq", "{samples}", "--real", "{samples}", "-o", "{tmp}/r.toml"],
            "0 usable pictures, and at",
        ),
    ],
)
def test_wrong_usage_is_2_and_nothing_is_written(aimanga_cli, samples, tmp_path, arguments, message):
    bad = tmp_path / "bad.toml"
    text = (ROOT / "recipes" / "degrade-bicubic.toml").read_text()
    bad.write_text(
        f"{text}\n[[stages]]\n[stages.blur]\nsize = [7, 7]\nsinc = 0\nsigma = [1, 2]\nkinds.isotropic = 0.9\n"
    )
    known = {"samples": samples, "tmp": tmp_path, "bad": bad}
    result = aimanga_cli("degrade", *(argument.format(**known) for argument in arguments))
    assert result.returncode == 2, result.stderr
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == [bad]


@pytest.mark.slow
def test_fit_writes_recipe_plots_and_preview(aimanga_cli, tmp_path):
    rng = np.random.default_rng(0)
    for folder, side in (("hq", 300), ("real", 80)):
        (tmp_path / folder).mkdir()
        for n in range(7):
            pixels = rng.integers(0, 256, (side // 10, side // 10, 3), np.uint8).repeat(10, 0).repeat(10, 1)
            Image.fromarray(pixels).save(tmp_path / folder / f"{n}.jpg", quality=60)
    (tmp_path / "real" / "broken.jpg").write_text("text")
    result = aimanga_cli(
        "degrade", "fit", "--hq", tmp_path / "hq", "--real", tmp_path / "real", "-o", tmp_path / "mine.toml",
        "--recipe", "bicubic", "--trials", 2, "--samples", 2,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert "broken.jpg: cannot be read as a picture" in lines[0]
    assert lines[1] == "7 pictures of good quality, 7 real ones, 2 trials"
    assert lines[-3:] == [
        f"written   {tmp_path / name}" for name in ("mine.toml", "mine.marginals.png", "mine.preview.png")
    ]
    head = (tmp_path / "mine.toml").read_text().splitlines()
    assert head[0] == "# Made by: aimanga degrade fit --recipe bicubic --trials 2 --samples 2 --seed 0"
    assert re.search(r"\d\.\d{4} before, \d+\.\d{4} after", head[2])
    assert load_degradation(tmp_path / "mine.toml") != load_degradation("bicubic")
    assert Image.open(tmp_path / "mine.marginals.png").size[0] > 1000
    preview = aimanga_cli(
        "degrade", "preview", tmp_path / "hq" / "0.jpg", "-o", tmp_path / "s.png", "--recipe", tmp_path / "mine.toml"
    )
    assert preview.returncode == 0
