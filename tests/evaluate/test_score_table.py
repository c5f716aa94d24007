import csv
import json
import math
from pathlib import Path

import pytest

from aimanga.errors import UsageError
from aimanga.evaluate import PictureScores, ScoreReport
from aimanga.evaluate.score_table import check_table, write_table
from aimanga.metrics import find_metric

SCORES = ScoreReport(
    metrics=tuple(find_metric(name) for name in ("niqe", "psnr", "nrqm")),
    pictures=(
        PictureScores(Path("a, b.png"), 200, 100, {"niqe": 3.25, "psnr": math.inf}),
        PictureScores(Path("käse \udcff.png"), 20, 10, {"psnr": 20.0}, {"niqe": "too small"}),
        PictureScores(Path("c.png"), error="c.png: cannot be read"),
    ),
    missing={"nrqm": "nrqm: weights missing"},
    seconds=1.0,
)


def test_csv_has_a_row_a_picture_and_the_protocol_beside_every_score(tmp_path):
    write_table(SCORES, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["picture"] for row in rows] == ["a, b.png", "käse \\udcff.png", "c.png"]
    cells = [[row[metric.name] for metric in SCORES.metrics] for row in rows]
    assert cells == [["3.25", "inf", ""], ["", "20.0", ""], ["", "", ""]]
    assert rows[0]["problems"] == "nrqm: weights missing"
    assert rows[1]["problems"] == "too small; nrqm: weights missing"
    assert rows[2]["problems"].startswith("c.png: cannot be read")
    assert (rows[1]["width"], rows[1]["height"]) == ("20", "10")
    for metric in SCORES.metrics:
        assert all(row[f"{metric.name} protocol"] == metric.protocol for row in rows)


def test_json_has_the_same(tmp_path):
    write_table(SCORES, tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert content["metrics"]["niqe"]["mean"] == 3.25
    assert content["metrics"]["psnr"]["mean"] == "inf"
    assert content["metrics"]["nrqm"] == {
        "better": "higher",
        "mean": None,
        "interval": None,
        "pictures": 0,
        "protocol": find_metric("nrqm").protocol,
        "source": find_metric("nrqm").source,
        "missing": "nrqm: weights missing",
    }
    assert [picture["scores"] for picture in content["pictures"]] == [{"niqe": 3.25, "psnr": "inf"}, {"psnr": 20.0}, {}]
    assert content["pictures"][1]["problems"] == {"niqe": "too small"}
    assert content["pictures"][2]["error"] == "c.png: cannot be read"


def test_what_cannot_be_written_is_known_before(tmp_path):
    check_table(tmp_path / "A.CSV")
    with pytest.raises(UsageError, match=r"a.txt: tables are written as .csv or .json"):
        check_table(tmp_path / "a.txt")
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(UsageError, match="b.csv: this is a folder"):
        check_table(tmp_path / "b.csv")
    with pytest.raises(UsageError, match="there is no folder"):
        check_table(tmp_path / "no" / "a.csv")
