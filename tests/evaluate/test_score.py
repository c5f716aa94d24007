import json
import math
import os
import re
import shutil
import statistics

import numpy as np
import pytest
from PIL import Image

from aimanga import score_files
from aimanga.batch import journal
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


def test_without_metrics_all_that_can_run_do(pictures, tmp_path):
    assert [m.name for m in score_files(pictures).metrics] == ["niqe", "brisque"]
    shutil.copytree(pictures, tmp_path / "same")
    compared = score_files(pictures, reference=tmp_path / "same")
    assert [m.name for m in compared.metrics] == ["niqe", "brisque", "psnr", "ssim"]
    assert compared.mean("psnr") == math.inf and compared.mean("ssim") == 1.0


def test_bad_files_are_rows_of_their_own(pictures):
    (pictures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    result = score_files(pictures, metrics=["brisque"])
    by_name = {p.file.name: p for p in result.pictures}
    assert "broken.png: cannot be read" in by_name["broken.png"].error
    assert by_name["a.png"].values and result.exit_code == 1
    (small,) = score_files(pictures / "b ü.png", metrics=["niqe"]).pictures
    assert "NIQE needs 192 x 96" in small.problems["niqe"] and (small.width, small.height) == (40, 30)


def test_a_broken_reference_costs_only_what_compares(pictures, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    (picture,) = score_files(pictures / "a.png", metrics=["psnr", "brisque"], reference=tmp_path / "a.png").pictures
    assert list(picture.values) == ["brisque"]
    assert re.match("its reference: .*a.png: cannot be read", picture.problems["psnr"])


def test_references_of_another_size_cost_only_what_compares(pictures, tmp_path):
    Image.fromarray(RNG.integers(0, 256, (50, 50, 3), np.uint8)).save(tmp_path / "a.png")
    (picture,) = score_files(pictures / "a.png", metrics=["psnr", "brisque"], reference=tmp_path / "a.png").pictures
    assert list(picture.values) == ["brisque"]
    assert "200 x 100 pixels, its reference 50 x 50" in picture.problems["psnr"]


def test_what_cannot_run_is_said_and_the_others_do(pictures):
    result = score_files(pictures / "a.png", metrics=["brisque", "musiq"])
    assert result.missing == {"musiq": "musiq: weights missing: aimanga weights fetch musiq-koniq"}
    assert list(result.pictures[0].values) == ["brisque"] and result.exit_code == 1
    for jobs in (1, 2):
        with pytest.raises(ModelError, match="aimanga weights fetch musiq-koniq"):
            score_files(pictures, metrics=["musiq"], jobs=jobs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metrics": ["psnr"]}, "psnr: compares with references; name their folder with --reference"),
        ({"metrics": ["beauty"]}, "beauty: there is no metric"),
        ({"output": "a.xlsx"}, "a.xlsx: tables are written as"),
        ({"jobs": 0}, "--jobs 0"),
        ({"device": "abacus"}, "--device abacus"),
        ({"device": "abacus", "jobs": 2}, "--device abacus"),
        ({"metrics": ["niqe"], "reference": "somewhere"}, "somewhere: none of the metrics compares"),
    ],
)
def test_wrong_usage_is_known_before_the_work(pictures, arguments, message):
    with pytest.raises(UsageError, match=message):
        score_files(pictures, **arguments)


def test_several_processes_write_the_same_table(pictures, tmp_path):
    one, two = tmp_path / "1.json", tmp_path / "2.json"
    score_files(pictures, metrics=["niqe", "brisque"], output=one, recursive=True, report=tmp_path / "r.jsonl")
    score_files(pictures, metrics=["niqe", "brisque"], output=two, recursive=True, jobs=2)
    assert one.read_bytes() == two.read_bytes()
    assert not list(tmp_path.glob("*.journal*"))
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["picture"] for line in lines] == [str(pictures / name) for name in ("a.png", "b ü.png", "sub/c.png")]
    assert lines[0]["scores"]["brisque"] > 0 and "192 x 96" in lines[1]["problems"]["niqe"]


def test_the_report_is_valid_json_also_of_what_is_infinite(pictures, tmp_path):
    shutil.copy(pictures / "a.png", tmp_path / "a.png")
    report = tmp_path / "r.jsonl"
    score_files(pictures / "a.png", metrics=["psnr"], reference=tmp_path / "a.png", report=report)
    assert json.loads(report.read_text(), parse_constant=pytest.fail)["scores"] == {"psnr": "inf"}


def test_a_table_that_another_run_is_writing_is_left_alone(pictures, tmp_path):
    file = tmp_path / "a.csv.journal"
    with journal(file), pytest.raises(UsageError, match="a.csv.journal: another run is writing this"):
        score_files(pictures, metrics=["brisque"], output=tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()
    assert score_files(pictures, metrics=["brisque"], output=tmp_path / "a.csv").count("brisque") == 2
    assert not file.exists()


def test_an_interrupted_batch_goes_on_where_it_stopped(pictures, tmp_path, monkeypatch):
    output = tmp_path / "a.csv"
    seen = []
    original = module._score_file

    def until_the_second(names, references, options, source, tick):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(source.name)
        return original(names, references, options, source, tick)

    monkeypatch.setattr(module, "_score_file", until_the_second)
    with pytest.raises(KeyboardInterrupt):
        score_files(pictures, metrics=["brisque"], output=output, recursive=True)
    assert not output.exists()
    seen.clear()
    # This one is another one since, and older than what was scored.
    Image.fromarray(RNG.integers(0, 256, (70, 70, 3), np.uint8)).save(pictures / "a.png")
    os.utime(pictures / "a.png", (0, 0))
    monkeypatch.setattr(module, "_score_file", lambda *args: seen.append(args[3].name) or original(*args))
    result = score_files(pictures, metrics=["brisque"], output=output, recursive=True)
    assert seen == ["a.png", "c.png"]
    assert len(result.pictures) == 3 and all(p.values for p in result.pictures)
    assert result.pictures[0].width == 70


def test_scores_of_other_metrics_or_references_are_not_taken(pictures, tmp_path, monkeypatch):
    """What is left of runs that were interrupted before they had written their tables."""

    def interrupt(scores, path):
        written.append(scores.pictures[0])
        raise KeyboardInterrupt

    written = []
    monkeypatch.setattr(module, "write_table", interrupt)
    output = tmp_path / "a.csv"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        Image.fromarray(RNG.integers(0, 256, (100, 200, 3), np.uint8)).save(tmp_path / name / "a.png")
    for metric, reference in (("brisque", None), ("psnr", tmp_path / "one"), ("psnr", tmp_path / "two")):
        with pytest.raises(KeyboardInterrupt):
            score_files(pictures / "a.png", metrics=[metric], reference=reference, output=output)
    assert [list(picture.values) for picture in written] == [["brisque"], ["psnr"], ["psnr"]]
    assert written[1].values != written[2].values
    assert not output.exists() and (tmp_path / "a.csv.journal").exists()
