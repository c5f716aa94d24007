"""Stored pairs: the same seed gives the same bytes, in whatever way they come about."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from aimanga.degrade import PairOptions, degrade, draw_pair, load_recipe, make_pairs, remake
from aimanga.degrade.pairs import read_manifest
from aimanga.errors import UsageError
from aimanga.images import read
from aimanga.tensors import from_array
from tests.conftest import ROOT


def picture(seed, height=72, width=90, channels=3):
    """Coarse noise: edges and flat parts."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 6, width // 6, channels), np.uint8)
    return coarse.repeat(6, 0).repeat(6, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("high")
    (folder / "sub").mkdir()
    for n in range(4):
        Image.fromarray(picture(n)).save(folder / f"{n}.png")
    Image.fromarray(picture(4)).save(folder / "sub" / "0.png")
    Image.fromarray(picture(5)[:, :, 0]).save(folder / "汉字 gray.png")
    return folder


def bytes_in(output):
    """Every file under a folder."""
    return {str(path.relative_to(output)): path.read_bytes() for path in output.rglob("*") if path.is_file()}


def pairs(folder, output, **changes):
    options = {"recipe": "realesrgan", "per_image": 2, "crop": 32, "seed": 5, "recursive": True, **changes}
    return make_pairs(folder, output, **options)


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("pairs") / "out"
    report = pairs(folder, output)
    assert report.count("done") == 12 and report.exit_code == 0
    return output


def test_what_is_stored(folder, made):
    names = {f"{stem}_{n}.png" for stem in ("0", "1", "2", "3", "sub/0", "汉字 gray") for n in (1, 2)}
    assert set(bytes_in(made)) == {
        "manifest.jsonl", "recipe.toml", *(f"HR/{name}" for name in names), *(f"LR/{name}" for name in names)
    }  # fmt: skip
    assert load_recipe(made / "recipe.toml") == load_recipe("realesrgan")
    lines = [json.loads(line) for line in (made / "manifest.jsonl").read_text().splitlines()]
    assert [line["lr"] for line in lines] == sorted(f"LR/{name}" for name in names)
    for line in lines:
        source = np.asarray(Image.open(line["source"]).convert("RGB"))
        box = line["box"]
        rows, columns = slice(box["top"], box["top"] + 32), slice(box["left"], box["left"] + 32)
        assert np.array_equal(np.asarray(Image.open(made / line["hr"])), source[rows, columns])
        assert Image.open(made / line["lr"]).size == (8, 8)
    assert len({(line["box"]["left"], line["box"]["top"]) for line in lines}) > 6
    assert len({line["seed"] for line in lines}) == 12


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [2, 3])
def test_the_number_of_processes_changes_no_byte(folder, made, tmp_path, jobs):
    pairs(folder, tmp_path / "out", jobs=jobs)
    assert bytes_in(tmp_path / "out") == bytes_in(made)


def test_another_seed_and_another_recipe_change_all(folder, made, tmp_path):
    before = bytes_in(made)
    for number, changes in enumerate(({"seed": 6}, {"recipe": "bicubic"})):
        pairs(folder, tmp_path / str(number), **changes)
        after = bytes_in(tmp_path / str(number))
        assert all(after[name] != before[name] for name in before if name.startswith("LR"))


def test_more_pairs_are_added_and_nothing_is_made_twice(folder, made, tmp_path):
    pairs(folder, tmp_path / "out", per_image=1)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.png")}
    report = pairs(folder, tmp_path / "out")
    assert (report.count("done"), report.count("skipped")) == (6, 6)
    assert all(path.stat().st_mtime_ns == then for path, then in times.items())
    assert bytes_in(tmp_path / "out") == bytes_in(made)


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_after_an_interruption_it_ends_with_the_same_bytes(folder, tmp_path, jobs, how):
    many = tmp_path / "many"
    many.mkdir()
    for n in range(12):
        Image.fromarray(picture(n, 240, 240)).save(many / f"{n}.png")
    make_pairs(many, tmp_path / "whole", recipe="realesrgan", crop=32, seed=5)
    output = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.degrade.works", many, output, str(jobs)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "three are made\n"
    process.send_signal(how)
    process.communicate(timeout=20)
    found = len(list((output / "LR").glob("*.png")))
    assert 3 <= found <= 3 + jobs
    report = make_pairs(many, output, recipe="realesrgan", crop=32, seed=5, jobs=jobs)
    assert report.count("done") == 12 - found
    assert bytes_in(output) == bytes_in(tmp_path / "whole")


def test_a_sample_is_remade_alone_from_its_line(made):
    for lr in list(read_manifest(made))[::5]:
        assert np.array_equal(remake(made, lr).pixels, np.asarray(Image.open(made / lr)))
    with pytest.raises(UsageError, match="no line for LR/nothing.png"):
        remake(made, "LR/nothing.png")


def test_training_gets_the_very_samples_that_are_stored(folder, made):
    """The pictures as a batch, drawn and degraded as a trainer does it, bit by bit."""
    options = PairOptions(load_recipe("realesrgan"), crop=32, seed=5)
    names = [f"{n}_{k}.png" for n in range(4) for k in (1, 2)]
    highs, samples = [], []
    for name in names:
        pixels = read(folder / f"{name[0]}.png").pixels
        box, sample = draw_pair(pixels.shape[1], pixels.shape[0], name, options)
        highs.append(from_array(box.of(pixels)))
        samples.append(sample)
    lows = degrade(torch.cat(highs), samples)
    for name, low in zip(names, lows, strict=True):
        assert torch.equal(low, from_array(read(made / "LR" / name).pixels)[0])


def test_whole_pictures_lose_what_does_not_divide(tmp_path):
    Image.fromarray(picture(0)[:71, :90]).save(tmp_path / "a.png")
    make_pairs(tmp_path / "a.png", tmp_path / "out.d", recipe="bicubic")
    assert Image.open(tmp_path / "out.d" / "HR" / "a_1.png").size == (88, 68)
    assert Image.open(tmp_path / "out.d" / "LR" / "a_1.png").size == (22, 17)


def test_set5_becomes_the_published_low_resolution(shared_data, tmp_path):
    make_pairs(shared_data / "set5" / "HR", tmp_path, recipe="bicubic")
    for path in (shared_data / "set5" / "LRx4").iterdir():
        made = Image.open(tmp_path / "LR" / f"{path.stem.removesuffix('x4')}_1.png")
        assert np.array_equal(np.asarray(made), np.asarray(Image.open(path).convert("RGB")))


def test_deep_and_transparent_pictures_become_8_bits_on_white(tmp_path):
    deep = (picture(0)[:, :, :1].astype(np.uint16) * 257).squeeze()
    Image.fromarray(deep).save(tmp_path / "deep.png")
    alpha = np.dstack([picture(1), np.full((72, 90), 0, np.uint8)])
    alpha[:36, :, 3] = 255
    Image.fromarray(alpha).save(tmp_path / "alpha.png")
    make_pairs(tmp_path, tmp_path / "out", recipe="bicubic")
    high = np.asarray(Image.open(tmp_path / "out" / "HR" / "deep_1.png"))
    assert np.array_equal(high, picture(0)[:, :88, :1].repeat(3, 2))
    high = np.asarray(Image.open(tmp_path / "out" / "HR" / "alpha_1.png"))
    assert np.array_equal(high[:36], picture(1)[:36, :88]) and (high[36:] == 255).all()


def test_bad_pictures_are_a_line_each(folder, tmp_path):
    high = tmp_path / "high"
    high.mkdir()
    Image.fromarray(picture(0)).save(high / "good.png")
    Image.fromarray(picture(0)[:30]).save(high / "small.png")
    (high / "broken.png").write_bytes((folder / "0.png").read_bytes()[:500])
    (high / "text.png").write_text("text")
    report = make_pairs(high, tmp_path / "out", recipe="realesrgan", crop=32)
    assert report.count("done") == 1 and report.exit_code == 1
    errors = {record.file.name: record.error for record in report.failed}
    assert set(errors) == {"small.png", "broken.png", "text.png"}
    assert errors["small.png"] == f"{high / 'small.png'}: 90 x 30 is smaller than the crop of 32"
    assert "text.png: cannot be read as a picture" in errors["text.png"]
    assert [pair.source for pair in read_manifest(tmp_path / "out").values()] == [str(high / "good.png")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop": 30}, "--crop 30: the side of a crop is a multiple of the scale 4"),
        ({"crop": 0}, "--crop 0"),
        ({"per_image": 0}, "--per-image 0: at least one"),
        ({"jobs": 0}, "--jobs 0: at least one process"),
        ({"recipe": "nothing"}, "nothing: no such file, and the recipes that come with aimanga are"),
        ({"recipe": "nothing.toml"}, "nothing.toml: No such file"),
    ],
)
def test_impossible_requests_are_refused_before_the_work(folder, tmp_path, changes, message):
    with pytest.raises(UsageError, match=message):
        pairs(folder, tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_empty_and_missing_folders_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no pictures found"):
        make_pairs(tmp_path / "empty", tmp_path / "out", recipe="bicubic")
    with pytest.raises(UsageError, match="no such file or folder"):
        make_pairs(tmp_path / "missing", tmp_path / "out", recipe="bicubic")
    with pytest.raises(UsageError, match="need a folder of their own"):
        make_pairs(tmp_path / "empty", tmp_path / "empty", recipe="bicubic")


@pytest.mark.parametrize("changes", [{"seed": 6}, {"crop": 40}, {"recipe": "bicubic"}])
def test_pairs_of_other_draws_are_not_mixed(folder, made, changes):
    before = bytes_in(made)
    with pytest.raises(UsageError, match="another recipe, seed or crop"):
        pairs(folder, made, **changes)
    assert bytes_in(made) == before


def test_overwriting_makes_them_all_again(folder, tmp_path):
    pairs(folder, tmp_path / "out", seed=1, per_image=1)
    report = pairs(folder, tmp_path / "out", seed=2, per_image=1, overwrite=True)
    assert report.count("done") == 6
    pairs(folder, tmp_path / "fresh", seed=2, per_image=1)
    assert bytes_in(tmp_path / "out") == bytes_in(tmp_path / "fresh")


def test_a_damaged_manifest_is_refused(folder, tmp_path):
    pairs(folder, tmp_path / "out", per_image=1)
    path = tmp_path / "out" / "manifest.jsonl"
    path.write_text('{"lr": "LR/0_1.png"}\n' + path.read_text())
    with pytest.raises(UsageError, match=r"manifest.jsonl, line 1: no line of a manifest"):
        pairs(folder, tmp_path / "out", per_image=1)


def test_names_that_are_no_unicode_are_kept_and_found_again(tmp_path):
    high = tmp_path / "high"
    high.mkdir()
    name = os.fsdecode(b"\xff[1] a.png")
    Image.fromarray(picture(0)).save(high / "plain.png")
    (high / "plain.png").rename(high / name)
    make_pairs(high, tmp_path / "out", recipe="realesrgan", crop=32)
    lr = os.fsdecode(b"LR/\xff[1] a_1.png")
    assert list(read_manifest(tmp_path / "out")) == [lr]
    assert np.array_equal(remake(tmp_path / "out", lr).pixels, read(tmp_path / "out" / lr).pixels)
    assert make_pairs(high, tmp_path / "out", recipe="realesrgan", crop=32).count("skipped") == 1
