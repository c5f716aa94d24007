import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from aimanga.metrics import METRICS
from aimanga.weights import FOLDER_VARIABLE


@pytest.fixture(autouse=True)
def without_weights(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "weights"))
    monkeypatch.setenv("COLUMNS", "160")


def test_a_table_with_means(aimanga_cli, samples):
    result = aimanga_cli("score", samples)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["picture", "NIQE", "↓", "BRISQUE", "↓"]
    rows = [line.split() for line in lines[1:4]]
    assert [row[0] for row in rows] == [str(samples / f"{name}.jpg") for name in ("lionfish", "owl", "parrot")]
    means = np.mean([[float(cell) for cell in row[1:]] for row in rows], 0)
    assert lines[4].split()[0] == "mean" and lines[5].split() == ["of", "pictures", "3", "3"]
    np.testing.assert_allclose([float(cell) for cell in lines[4].split()[1:]], means, atol=1e-4)
    assert lines[6].startswith("3 pictures scored, 0 failed in ")


def test_all_metrics_with_references_and_a_table_on_disk(aimanga_cli, samples, tmp_path):
    shutil.copy(samples / "owl.jpg", tmp_path / "owl.jpg")
    result = aimanga_cli("score", samples / "owl.jpg", "-m", "all", "--reference", tmp_path, "-o", tmp_path / "a.json")
    assert result.returncode == 1
    for metric in METRICS:
        assert f"{metric.title} " in result.stdout.splitlines()[0]
        if metric.weights:
            assert f"{metric.name}: weights missing: aimanga weights fetch {' '.join(metric.weights)}" in result.stdout
    assert " inf " in result.stdout.splitlines()[1]
    assert f"written   {tmp_path / 'a.json'}" in result.stdout and (tmp_path / "a.json").is_file()


def test_a_picture_that_fails_is_a_line_and_1(aimanga_cli, samples, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    Image.new("RGB", (20, 20)).save(tmp_path / "small[x].png")
    result = aimanga_cli("score", tmp_path, samples / "owl.jpg", "--metrics", "niqe,brisque")
    assert result.returncode == 1
    assert re.search(r"failed +.*bad\.png: cannot be read as a picture", result.stdout)
    assert "no niqe:" in result.stdout and "small[x].png: NIQE needs 192 x 96 pixels or more" in result.stdout
    assert "2 pictures scored, 1 failed" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", "psnr"], "psnr: compares with references; name their folder with --reference"),
        (["-m", "musiq"], "aimanga weights fetch musiq-koniq"),
    ],
)
def test_wrong_usage_is_2(aimanga_cli, samples, arguments, message):
    result = aimanga_cli("score", samples, *arguments)
    assert result.returncode == 2
    assert message in result.stderr and "Traceback" not in result.stderr


def test_the_list_of_metrics(aimanga_cli):
    result = aimanga_cli("metrics")
    for metric in METRICS:
        line = next(line for line in result.stdout.splitlines() if line.split()[:1] == [metric.name])
        assert metric.better in line and ("absent" if metric.weights else "none") in line
    assert "absent weights: aimanga weights fetch nrqm clip-rn50" in result.stdout


def test_of_five_pictures_the_mean_has_an_interval(aimanga_cli, samples, tmp_path):
    for path in sorted(samples.glob("*.jpg")):
        for copy in range(2):
            (tmp_path / f"{path.stem}{copy}.jpg").write_bytes(path.read_bytes())
    result = aimanga_cli("score", tmp_path, "-m", "niqe", "-o", tmp_path / "a.json")
    assert result.returncode == 0
    rows = {line.split("  ")[0]: line.split()[-1] for line in result.stdout.splitlines()}
    low, high = float(rows["95 % from"]), float(rows["95 % to"])
    assert low < float(rows["mean"]) < high
    interval = json.loads((tmp_path / "a.json").read_text())["metrics"]["niqe"]["interval"]
    assert (interval["level"], round(interval["low"], 4), round(interval["high"], 4)) == (0.95, low, high)
