"""Folders as users have them, with everything that can be wrong in one."""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import pyvips
from PIL import Image

import aimanga
from aimanga.errors import ModelError, ResourceError, UsageError
from aimanga.tensors import from_array, resize
from aimanga.upscale import UpscaleOptions, plan_upscale

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (10, 14, 3), np.uint8)


def save(path, array=RGB, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def enlarged(array):
    return array.repeat(4, 0).repeat(4, 1)


def display_p3():
    return bytes(pyvips.Operation.call("profile_load", "p3"))


@pytest.fixture
def hostile(tmp_path):
    """A folder with good and bad files of every kind; returns it and the errors that the bad ones must give."""
    folder = tmp_path / "in"
    save(folder / "plain.png")
    save(folder / "汉字 和 emoji 🦜.png")
    save(folder / "one-pixel.png", RGB[:1, :1])
    save(folder / "gray.png", RGB[:, :, 0])
    save(folder / "sub" / "plain.png", RGB[:, ::-1])

    deep = RNG.integers(0, 65536, (10, 14, 4), np.uint16)
    deep[:, :, 3] |= 1
    pyvips.Image.new_from_array(deep, interpretation="rgb16").tiffsave(str(folder / "deep.tif"))

    inks = np.zeros((16, 32, 4), np.uint8)
    inks[:, 16:, 0] = 255  # white, and pure cyan
    Image.fromarray(inks, "CMYK").save(folder / "cmyk.jpg", quality=100)

    exif = Image.Exif()
    exif[0x0112] = 6
    half = np.zeros((16, 24, 3), np.uint8)
    half[:, :12] = 255  # left half white; turned right, the upper half is
    save(folder / "turned.jpg", half, exif=exif, quality=100)

    palette = Image.fromarray(np.tile(np.array([[0, 1], [1, 1]], np.uint8), (5, 7)), "P")
    palette.putpalette([0, 0, 0, 200, 30, 60])
    palette.save(folder / "palette.png", transparency=0)

    save(folder / "p3.png", icc_profile=display_p3())

    whole = save(folder / "truncated.png", RNG.integers(0, 256, (200, 200, 3), np.uint8))
    whole.write_bytes(whole.read_bytes()[:50_000])
    (folder / "text.jpg").write_text("no picture at all")
    (folder / "empty.png").touch()
    (folder / "notes.txt").write_text("left out")
    (folder / ".DS_Store").write_bytes(bytes(8))
    return folder, deep, {"truncated.png": "cannot be read", "text.jpg": "cannot be read", "empty.png": "is empty"}


def test_a_hostile_folder(hostile, tmp_path, nearest_model):
    folder, deep, bad = hostile
    out, log = tmp_path / "out", tmp_path / "report.jsonl"
    report = aimanga.upscale_files(folder, out, model=nearest_model, precision="fp32", recursive=True, report=log)

    assert {record.file.name for record in report.failed} == set(bad)
    for record in report.failed:
        assert bad[record.file.name] in record.error and str(record.file) in record.error
    assert report.ignored == 2
    assert report.exit_code == 1
    lines = {line["file"]: line for line in map(json.loads, log.read_text().splitlines())}
    assert len(lines) == len(report.records) == 13
    assert lines[str(folder / "plain.png")]["output_size"] == [56, 40]
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == {
        "plain.png", "汉字 和 emoji 🦜.png", "one-pixel.png", "gray.png", "sub/plain.png", "deep.tif", "cmyk.jpg",
        "turned.jpg", "palette.png", "p3.png",
    }  # fmt: skip

    def result(name):
        return np.asarray(Image.open(out / name))

    np.testing.assert_array_equal(result("plain.png"), enlarged(RGB))
    np.testing.assert_array_equal(result("汉字 和 emoji 🦜.png"), enlarged(RGB))
    np.testing.assert_array_equal(result("sub/plain.png"), enlarged(RGB[:, ::-1]))
    np.testing.assert_array_equal(result("one-pixel.png"), enlarged(RGB[:1, :1]))
    assert Image.open(out / "gray.png").mode == "L"
    np.testing.assert_array_equal(result("gray.png"), enlarged(RGB[:, :, 0]))
    np.testing.assert_array_equal(aimanga.read(out / "deep.tif").to_array(), enlarged(deep))
    cmyk = Image.open(out / "cmyk.jpg")
    assert cmyk.mode == "RGB"
    white, cyan = np.asarray(cmyk)[32, [16, 112]].astype(int)
    assert white.min() >= 250 and cyan[0] < 60 and cyan[1:].min() > 120
    turned = Image.open(out / "turned.jpg")
    assert turned.size == (64, 96)
    assert turned.getexif().get(0x0112, 1) == 1
    assert np.asarray(turned)[:40].min() > 245 and np.asarray(turned)[56:].max() < 10
    palette = result("palette.png")
    assert palette.shape[2] == 4
    np.testing.assert_array_equal(palette[:, :, 3], enlarged(np.tile(np.array([[0, 255], [255, 255]]), (5, 7))))
    assert (palette[palette[:, :, 3] > 0][:, :3] == [200, 30, 60]).all()
    assert Image.open(out / "p3.png").info["icc_profile"] == display_p3()
    np.testing.assert_array_equal(result("p3.png"), enlarged(RGB))


@pytest.mark.slow
def test_real_pictures_among_hostile_ones_with_a_real_network(hostile, shared_data, tmp_path):
    """Of RealSRSet, in the hostile folder: reduced to its old size, each result has to be its source again."""
    folder, _, bad = hostile
    sources = sorted((shared_data / "realsrset").iterdir(), key=lambda path: path.stat().st_size)[:5]
    for source in sources:
        shutil.copy(source, folder)
    report = aimanga.upscale_files(folder, tmp_path / "out", model="realesr-animevideov3-x4", recursive=True)
    assert {record.file.name for record in report.failed} == set(bad)
    assert report.count("done") == 10 + len(sources) == 15
    for source in sources:
        before, after = aimanga.read(source), aimanga.read(tmp_path / "out" / source.name)
        assert (after.width, after.height) == (4 * before.width, 4 * before.height)
        reduced = resize(from_array(after.to_array()), before.height, before.width)
        difference = reduced - from_array(before.to_array())
        assert difference.abs().mean() < 24 / 255, f"{source.name}: not the same picture"
        assert difference.mean((2, 3)).abs().max() < 4 / 255, f"{source.name}: a tint"


def test_a_second_run_makes_nothing_again(tmp_path, nearest_model):
    save(tmp_path / "in" / "a.png")
    aimanga.upscale_files(tmp_path / "in", tmp_path / "out", model=nearest_model)
    before = (tmp_path / "out" / "a.png").stat().st_mtime_ns
    report = aimanga.upscale_files(tmp_path / "in", tmp_path / "out", model=nearest_model)
    assert [record.status for record in report.records] == ["skipped"]
    assert (tmp_path / "out" / "a.png").stat().st_mtime_ns == before
    aimanga.upscale_files(tmp_path / "in", tmp_path / "out", model=nearest_model, overwrite=True)
    assert (tmp_path / "out" / "a.png").stat().st_mtime_ns > before


def test_ctrl_c_in_the_middle_of_the_network(tmp_path):
    save(tmp_path / "in.png", RNG.integers(0, 256, (700, 700, 3), np.uint8))
    command = [sys.executable, "-m", "aimanga", "upscale", tmp_path / "in.png", "-o", tmp_path / "out" / "a.png"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert b"aimanga-x4" in process.stdout.readline()
    process.stdout.readline()  # the estimate; the work begins
    time.sleep(0.5)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - begin < 2
    assert process.returncode == 130
    assert b"interrupted" in errors and b"Traceback" not in errors
    assert list((tmp_path / "out").iterdir()) == []


def test_several_processes_give_the_same_bytes(tmp_path, nearest_model):
    for number in range(4):
        save(tmp_path / "in" / f"{number}.png")
    for jobs in (1, 2):
        report = aimanga.upscale_files(tmp_path / "in", tmp_path / str(jobs), model=nearest_model, jobs=jobs)
        assert report.count("done") == 4
    for number in range(4):
        one, two = (tmp_path / jobs / f"{number}.png" for jobs in "12")
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("options", "name", "size"),
    [
        ({}, "a.png", (56, 40)),
        ({"scale": 2}, "a.png", (28, 20)),
        ({"width": 70}, "a.png", (70, 50)),
        ({"format": "JPEG", "suffix": "_x4"}, "a_x4.jpg", (56, 40)),
        ({"format": "tiff"}, "a.tif", (56, 40)),
        ({"format": "webp", "quality": 50}, "a.webp", (56, 40)),
    ],
)
def test_names_sizes_and_formats(tmp_path, nearest_model, options, name, size):
    save(tmp_path / "a.png")
    aimanga.upscale_files(tmp_path / "a.png", tmp_path / "out", model=nearest_model, **options)
    image = Image.open(tmp_path / "out" / name)
    assert image.size == size
    assert image.format.lower().startswith(name.rpartition(".")[2][:2])


def test_a_users_own_weights_in_a_pth(tmp_path, nearest_model):
    import torch
    from safetensors.torch import load_file

    torch.save({"params_ema": load_file(nearest_model)}, tmp_path / "mine.pth")
    save(tmp_path / "a.png")
    report = aimanga.upscale_files(tmp_path / "a.png", tmp_path / "b.png", model=tmp_path / "mine.pth")
    assert report.records[0].details["model"] == str(tmp_path / "mine.pth")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "b.png")), enlarged(RGB))


def test_animations_are_refused_or_their_first_page_taken(tmp_path, nearest_model):
    frames = [Image.fromarray(np.full((8, 8, 3), level, np.uint8)) for level in (10, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    report = aimanga.upscale_files(tmp_path / "a.gif", tmp_path / "out", model=nearest_model)
    assert "--first-page" in report.failed[0].error
    report = aimanga.upscale_files(tmp_path / "a.gif", tmp_path / "out", model=nearest_model, first_page=True)
    assert Image.open(tmp_path / "out" / "a.png").size == (32, 32)


def test_what_a_format_cannot_hold_is_known_before_the_work(tmp_path, nearest_model, monkeypatch):
    save(tmp_path / "long.png", RNG.integers(0, 256, (1, 5000, 3), np.uint8))
    planned = plan_upscale(tmp_path / "long.png", tmp_path / "o", UpscaleOptions(model=nearest_model, format="webp"))
    assert "20000 x 4 is too large for webp" in planned.pictures[0].problem
    monkeypatch.setattr("aimanga.upscale.files.upscale_rows", None)
    report = aimanga.upscale_files(tmp_path / "long.png", tmp_path / "o", model=nearest_model, format="webp")
    assert "too large for webp" in report.failed[0].error


def test_a_disk_that_is_too_small_is_known_before_the_work(tmp_path, nearest_model, monkeypatch):
    save(tmp_path / "a.png")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(ResourceError, match=r"the results need about .* free"):
        aimanga.upscale_files(tmp_path / "a.png", tmp_path / "out", model=nearest_model)
    assert not (tmp_path / "out").exists()


def test_a_memory_that_is_too_small_fails_that_picture_only(tmp_path, nearest_model, monkeypatch):
    save(tmp_path / "in" / "small.png")
    save(tmp_path / "in" / "large.png", np.zeros((1000, 1000, 3), np.uint8))
    memory = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory._replace(available=51 * 10**6))
    report = aimanga.upscale_files(tmp_path / "in", tmp_path / "out", model=nearest_model)
    assert {record.file.name: record.status for record in report.records} == {
        "large.png": "failed",
        "small.png": "done",
    }
    assert "needs about" in report.failed[0].error and "GiB of memory" in report.failed[0].error


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_reported(tmp_path, nearest_model):
    save(tmp_path / "a.png").chmod(0)
    report = aimanga.upscale_files(tmp_path / "a.png", tmp_path / "out", model=nearest_model)
    assert "Permission denied" in report.failed[0].error


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scale": 2, "width": 10}, UsageError, "contradict"),
        ({"width": 0}, UsageError, "--width 0"),
        ({"quality": 101}, UsageError, "--quality 101"),
        ({"format": "psd"}, UsageError, "--format psd"),
        ({"device": "cuda:77"}, UsageError, "--device cuda:77"),
        ({"jobs": 0}, UsageError, "--jobs 0"),
        ({"model": "nothing"}, ModelError, "no model of this name"),
        ({"strength": 2}, UsageError, "--strength 2"),
        ({"model": "nothing", "scale": 2}, ModelError, "no model of this name"),
        ({"precision": "fp7", "scale": 2}, UsageError, "--precision fp7"),
        ({"suffix": "/../evil"}, UsageError, "--suffix"),
    ],
)
def test_impossible_requests_are_refused_before_anything_is_made(tmp_path, nearest_model, options, error, message):
    save(tmp_path / "a.png")
    with pytest.raises(error, match=message):
        aimanga.upscale_files(tmp_path / "a.png", tmp_path / "out", **{"model": nearest_model, **options})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("output", "options"), [("b.jpg", {"format": "png"}), ("b.jpg", {"suffix": "_x4"}), ("b.bmp", {}), ("b.gif", {})]
)
def test_what_contradicts_the_name_of_the_result_is_refused(tmp_path, nearest_model, output, options):
    save(tmp_path / "a.png")
    with pytest.raises(UsageError):
        aimanga.upscale_files(tmp_path / "a.png", tmp_path / output, model=nearest_model, **options)
    assert not (tmp_path / output).exists()


def test_a_header_that_lies_about_its_size_is_one_failed_file(tmp_path, nearest_model):
    path = save(tmp_path / "a.png")
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 90_000, 90_000)
    path.write_bytes(data)
    report = aimanga.upscale_files(path, tmp_path / "out", model=nearest_model)
    assert report.count("failed") == 1


PEAK = """
import re, sys
from importlib import import_module
from pathlib import Path
from aimanga import upscale_files
# Optimal Huffman codes are only for JPEG files of few pixels: they need all coefficients in memory.
import_module("aimanga.images.write")._JPEG_OPTIMISED_PIXELS = 0
import_module("aimanga.upscale.stream").BAND_PIXELS = 3000  # small bands fragment the heap less
folder, model = Path(sys.argv[1]), sys.argv[2]
for height in (300, 4000):
    for suffix in ("png", "jpg", "tif"):
        assert upscale_files(folder / f"{height}.{suffix}", folder / "out", model=model).exit_code == 0
    # Not ru_maxrss: a process inherits that of the one that started it.
    print(re.search("VmHWM:(.*) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_the_memory_goes_with_the_width_decoder_and_encoder_included(tmp_path, nearest_model):
    """The peak hardly moves when pictures come whose results are 53 MB larger, whatever their format."""
    for height in (300, 4000):
        noise = Image.fromarray(RNG.integers(0, 256, (height, 300, 3), np.uint8))
        for suffix in ("png", "jpg", "tif"):
            noise.save(tmp_path / f"{height}.{suffix}")
    command = [sys.executable, "-c", PEAK, tmp_path, nearest_model]
    low, high = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert high - low < 40_000  # kB


def test_damage_is_found_before_the_work(tmp_path, nearest_model, monkeypatch):
    whole = save(tmp_path / "whole.png", RNG.integers(0, 256, (400, 400, 3), np.uint8)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr("aimanga.upscale.engine.Engine.stream", None)
    report = aimanga.upscale_files(tmp_path / "cut.png", tmp_path / "out", model=nearest_model)
    assert "cannot be read as a picture" in report.failed[0].error
