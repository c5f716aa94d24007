import json
import math
import os
import signal
import statistics
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from aimanga import score_files
from aimanga.errors import ModelError, UsageError
from aimanga.evaluate import score as module
from aimanga.images import read
from aimanga.metrics import Scorer
from aimanga.weights import FOLDER_VARIABLE

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def without_weights(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "weights"))
    module._scorer.cache_clear()


@pytest.fixture
def pictures(tmp_path):
    """Three pictures of noise, one of them in a subfolder, one too small for NIQE."""
    for name, size in (("a.png", (100, 200)), ("b ü.png", (30, 40)), ("sub/c.png", (192, 96))):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (*size, 3), np.uint8)).save(path)
    (tmp_path / "in" / "notes.txt").touch()
    return tmp_path / "in"


def test_a_folder(pictures):
    result = score_files(pictures, metrics=["niqe", "brisque"], recursive=True)
    assert [p.file.name for p in result.pictures] == ["a.png", "b ü.png", "c.png"]
    assert [(p.width, p.height) for p in result.pictures] == [(200, 100), (40, 30), (96, 192)]
    scorer = Scorer(["niqe", "brisque"])
    for picture in result.pictures:
        assert picture.values == scorer(read(picture.file)).values
    assert "192 x 96" in result.pictures[1].problems["niqe"]
    assert result.mean("brisque") == statistics.fmean(p.values["brisque"] for p in result.pictures)
    assert result.mean("niqe") == statistics.fmean(result.pictures[n].values["niqe"] for n in (0, 2))
    assert result.exit_code == 1
    assert score_files(pictures / "a.png", metrics=["brisque"]).exit_code == 0


def test_without_metrics_all_that_can_run_do(pictures):
    assert [m.name for m in score_files(pictures).metrics] == ["niqe", "brisque"]
    compared = score_files(pictures, reference=pictures)
    assert [m.name for m in compared.metrics] == ["niqe", "brisque", "psnr", "ssim"]
    assert compared.mean("psnr") == math.inf and compared.mean("ssim") == 1.0


def test_bad_files_are_rows_of_their_own(pictures):
    (pictures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    result = score_files(pictures, metrics=["brisque"])
    by_name = {p.file.name: p for p in result.pictures}
    assert "broken.png: cannot be read" in by_name["broken.png"].error
    assert by_name["a.png"].values and result.exit_code == 1
    small = score_files(pictures / "b ü.png", metrics=["niqe"])
    assert "NIQE needs 192 x 96" in small.pictures[0].error


def test_references_of_another_size_cost_only_what_compares(pictures, tmp_path):
    Image.fromarray(RNG.integers(0, 256, (50, 50, 3), np.uint8)).save(tmp_path / "a.png")
    (picture,) = score_files(pictures / "a.png", metrics=["psnr", "brisque"], reference=tmp_path / "a.png").pictures
    assert list(picture.values) == ["brisque"]
    assert "200 x 100 pixels, its reference 50 x 50" in picture.problems["psnr"]


def test_what_cannot_run_is_said_and_the_others_do(pictures):
    result = score_files(pictures / "a.png", metrics=["brisque", "musiq"])
    assert result.missing == {"musiq": "musiq: weights missing: aimanga weights fetch musiq-koniq"}
    assert list(result.pictures[0].values) == ["brisque"] and result.exit_code == 1
    with pytest.raises(ModelError, match="aimanga weights fetch musiq-koniq"):
        score_files(pictures, metrics=["musiq"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metrics": ["psnr"]}, "psnr: compares with references; name their folder with --reference"),
        ({"metrics": ["beauty"]}, "beauty: there is no metric"),
        ({"metrics": []}, "no metric was asked for"),
        ({"output": "a.xlsx"}, "a.xlsx: tables are written as"),
        ({"jobs": 0}, "--jobs 0"),
        ({"device": "abacus"}, "--device abacus"),
    ],
)
def test_wrong_usage_is_known_before_the_work(pictures, arguments, message):
    with pytest.raises(UsageError, match=message):
        score_files(pictures, **arguments)


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_several_processes_write_the_same_table(pictures, tmp_path, suffix):
    one, two = tmp_path / f"1.{suffix}", tmp_path / f"2.{suffix}"
    score_files(pictures, metrics=["niqe", "brisque"], output=one, recursive=True, report=tmp_path / "r.jsonl")
    score_files(pictures, metrics=["niqe", "brisque"], output=two, recursive=True, jobs=2)
    assert one.read_bytes() == two.read_bytes()
    assert not list(tmp_path.glob("*parts*"))
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert lines[0]["status"] == "done" and lines[0]["brisque"] > 0


def test_an_interrupted_batch_goes_on_where_it_stopped(pictures, tmp_path, monkeypatch):
    output = tmp_path / "a.csv"
    seen = []
    original = module._score_file

    def until_the_second(names, references, options, source, target, tick):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(source.name)
        return original(names, references, options, source, target, tick)

    monkeypatch.setattr(module, "_score_file", until_the_second)
    with pytest.raises(KeyboardInterrupt):
        score_files(pictures, metrics=["brisque"], output=output, recursive=True)
    assert not output.exists()
    seen.clear()
    later = time.time() + 5
    os.utime(pictures / "a.png", (later, later))  # this one has changed since
    monkeypatch.setattr(module, "_score_file", lambda *args: seen.append(args[3].name) or original(*args))
    result = score_files(pictures, metrics=["brisque"], output=output, recursive=True)
    assert seen == ["a.png", "c.png"]
    assert len(result.pictures) == 3 and all(p.values for p in result.pictures)
    # Other metrics are not taken from the same parts.
    assert "niqe" in score_files(pictures / "a.png", metrics=["niqe"], output=output).pictures[0].values


@pytest.mark.slow
def test_ctrl_c_on_the_command_line(pictures, tmp_path):
    for number in range(60):
        Image.fromarray(RNG.integers(0, 256, (400, 400, 3), np.uint8)).save(pictures / f"{number:02}.png")
    command = [sys.executable, "-m", "aimanga", "score", str(pictures), "-o", str(tmp_path / "a.csv"), "-m", "brisque"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("a.csv.parts-*/*.json")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in errors
    assert not (tmp_path / "a.csv").exists()
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 63
