"""Stored pairs: the same seed gives the same bytes, in whatever way they come about."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image

from aimanga.degrade import degrade, load_degradation, make_pairs, remake
from aimanga.degrade.manifest import read_pairs
from aimanga.errors import UsageError
from aimanga.images import read
from aimanga.tensors import from_array
from tests.watchers import Interrupting


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
    assert load_degradation(made / "recipe.toml") == load_degradation("realesrgan")
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


@pytest.mark.slow
def test_an_interrupted_run_is_resumed_by_two_processes_with_the_same_bytes(folder, made, tmp_path):
    output = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        pairs(folder, output, watcher=Interrupting())
    assert len(read_pairs(output)) == 3
    # What a killed run leaves besides: no line for its last pair but one, half a line for the last, half an HR file.
    manifest = output / "manifest.jsonl"
    lines = manifest.read_text(encoding="utf-8").splitlines(keepends=True)
    manifest.write_text(lines[0] + lines[2][:50], encoding="utf-8")
    (output / "HR" / ".0_1.png.01234567.aimanga-part").write_bytes(b"half")
    report = pairs(folder, output, jobs=2)
    assert (report.count("done"), report.count("skipped")) == (9, 3)
    assert bytes_in(output) == bytes_in(made)


def test_a_sample_is_remade_alone_from_its_line(made):
    for lr in list(read_pairs(made))[::5]:
        assert np.array_equal(remake(made, lr).pixels, np.asarray(Image.open(made / lr)))
    with pytest.raises(UsageError, match="no line for LR/nothing.png"):
        remake(made, "LR/nothing.png")


def test_a_batch_is_degraded_as_the_stored_pairs_were(made):
    stored = [pair for pair in read_pairs(made).values() if "gray" not in pair.lr]
    highs = torch.cat([from_array(pair.box.of(read(pair.source).pixels)) for pair in stored])
    lows = degrade(highs, [pair.sample for pair in stored])
    for pair, low in zip(stored, lows, strict=True):
        assert torch.equal(low, from_array(read(made / pair.lr).pixels)[0])


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
    assert [pair.source for pair in read_pairs(tmp_path / "out").values()] == [str(high / "good.png")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop": 30}, "--crop 30: the side of a crop is a multiple of the scale 4"),
        ({"crop": 0}, "--crop 0"),
        ({"per_image": 0}, "--per-image 0: "),
        ({"jobs": 0}, "--jobs 0: "),
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
    options = {"per_image": 1, "recipe": "bicubic"}
    pairs(folder, tmp_path / "out", seed=1, **options)
    report = pairs(folder, tmp_path / "out", seed=2, overwrite=True, **options)
    assert report.count("done") == 6
    pairs(folder, tmp_path / "fresh", seed=2, **options)
    assert bytes_in(tmp_path / "out") == bytes_in(tmp_path / "fresh")


def test_a_damaged_manifest_is_refused(folder, tmp_path):
    options = {"per_image": 1, "recipe": "bicubic"}
    pairs(folder, tmp_path / "out", **options)
    path = tmp_path / "out" / "manifest.jsonl"
    path.write_text('{"lr": "LR/0_1.png"}\n' + path.read_text())
    with pytest.raises(UsageError, match=r"manifest.jsonl, line 1: not a line of a manifest"):
        pairs(folder, tmp_path / "out", **options)


def test_names_that_are_no_unicode_are_kept_and_found_again(tmp_path):
    high = tmp_path / "high"
    high.mkdir()
    name = os.fsdecode(b"\xff[1] a.png")
    Image.fromarray(picture(0)).save(high / "plain.png")
    (high / "plain.png").rename(high / name)
    make_pairs(high, tmp_path / "out", recipe="realesrgan", crop=32)
    lr = os.fsdecode(b"LR/\xff[1] a_1.png")
    assert list(read_pairs(tmp_path / "out")) == [lr]
    assert np.array_equal(remake(tmp_path / "out", lr).pixels, read(tmp_path / "out" / lr).pixels)
    assert make_pairs(high, tmp_path / "out", recipe="realesrgan", crop=32).count("skipped") == 1
