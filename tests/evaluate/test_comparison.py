import csv
import json
import re

import numpy as np
import pytest
from PIL import Image

import aimanga
from aimanga.batch import Watcher
from aimanga.errors import UsageError
from aimanga.evaluate import evaluate_results, read_test_set
from aimanga.images import Picture, write
from aimanga.metrics import score
from aimanga.tensors import from_array, resize, to_array


@pytest.fixture
def results(tmp_path):
    """Two methods, one nearer to the truth than the other, on six pictures."""
    rng = np.random.default_rng(0)
    for folder in ("HR", "near & far_1", "worse"):
        (tmp_path / folder).mkdir()
    for n in range(6):
        true = rng.integers(40, 200, (40, 44, 3), np.uint8)
        write(Picture(true), tmp_path / "HR" / f"p{n}.png")
        for folder, sigma in (("near & far_1", 2), ("worse", 8)):
            noisy = (true + rng.normal(0, sigma, true.shape)).clip(0, 255).astype(np.uint8)
            write(Picture(noisy), tmp_path / folder / f"p{n}x4.png")
    return tmp_path


class Counting(Watcher):
    def __init__(self):
        self.scored = []

    def on_end(self, job, record):
        if record.status == "done":
            self.scored.append(job.source.name)


def evaluated(results, *methods, metrics=("psnr", "ssim", "brisque"), **options):
    folders = [results / name for name in (methods or ("near & far_1", "worse"))]
    return evaluate_results(folders, results / "out", metrics=metrics, reference=results / "HR", **options)


def test_the_means_are_those_of_the_pictures(results):
    found = evaluated(results)
    assert list(found.methods) == ["near & far_1", "worse"]
    rows = list(csv.DictReader((results / "out" / "scores.csv").open()))
    assert len(rows) == 12
    for name, report in found.methods.items():
        mine = [float(row["psnr"]) for row in rows if row["method"] == name]
        assert report.mean("psnr") == pytest.approx(np.mean(mine))
    picture, true = (Picture(np.asarray(Image.open(results / folder / name))) for folder, name in (
        ("worse", "p0x4.png"), ("HR", "p0.png")))  # fmt: skip
    row = next(row for row in rows if (row["method"], row["picture"]) == ("worse", "p0x4.png"))
    assert float(row["psnr"]) == pytest.approx(score("psnr", picture, true))


def test_the_best_is_bold_by_the_direction_of_its_metric(results):
    found = evaluated(results)
    best = dict(zip([metric.name for metric in found.metrics], [c.best() for c in found.columns()], strict=True))
    assert best["psnr"] == best["ssim"] == ("near & far_1",)
    table = (results / "out" / "table.md").read_text().splitlines()
    assert table[0] == "| method | PSNR ↑ | SSIM ↑ | BRISQUE ↓ |"
    near = [cell.strip() for cell in table[2].strip("|").split("|")]
    assert near[0] == "near & far_1"
    assert near[1] == f"**{found.methods['near & far_1'].mean('psnr'):.3f}**"
    lower = min(found.methods, key=lambda name: found.methods[name].mean("brisque"))
    assert best["brisque"] == (lower,)
    assert any(line.startswith("- PSNR: ") for line in table)


def test_latex_is_that_of_the_factsheet(results):
    evaluated(results)
    text = (results / "out" / "table.tex").read_text()
    assert r"\begin{tabular}{lrrr}" in text
    assert r"Method & PSNR $\uparrow$ & SSIM $\uparrow$ & BRISQUE $\downarrow$ \\" in text
    assert re.search(r"near \\& far\\_1 & \\textbf\{\d+\.\d{3}\} & \\textbf\{0\.\d{3}\} & .*\\\\", text)


def test_json_has_intervals_and_protocols(results):
    evaluated(results)
    content = json.loads((results / "out" / "scores.json").read_text())
    psnr = content["methods"]["worse"]["metrics"]["psnr"]
    assert psnr["interval"]["low"] < psnr["mean"] < psnr["interval"]["high"]
    assert psnr["protocol"]
    assert len(content["methods"]["worse"]["pictures"]) == 6


def test_equals_are_both_the_best_and_one_alone_is_none(results):
    (results / "again").mkdir()
    for path in (results / "worse").iterdir():
        (results / "again" / path.name).write_bytes(path.read_bytes())
    found = evaluated(results, "worse", "again", metrics=("psnr",))
    assert found.columns()[0].best() == ("worse", "again")
    assert "**" not in (evaluated(results, "worse", metrics=("psnr",)) and (results / "out" / "table.md").read_text())


def test_a_second_call_scores_only_what_has_changed(results):
    first, second = Counting(), Counting()
    before = evaluated(results, watcher=first)
    assert len(first.scored) == 12
    path = results / "worse" / "p3x4.png"
    write(Picture(np.zeros((40, 44, 3), np.uint8)), path)
    after = evaluated(results, watcher=second)
    assert second.scored == ["p3x4.png"]
    assert after.methods["worse"].mean("psnr") < before.methods["worse"].mean("psnr")
    assert after.methods["near & far_1"].mean("psnr") == before.methods["near & far_1"].mean("psnr")


def test_missing_pictures_and_other_problems_are_named_at_once(results):
    (results / "worse" / "p3x4.png").unlink()
    (results / "empty").mkdir()
    (results / "deep" / "worse").mkdir(parents=True)
    with pytest.raises(UsageError) as caught:
        evaluated(results, "near & far_1", "worse", "empty", "deep/worse")
    message = str(caught.value)
    for part in ("worse lacks p3.png, which others have", "empty: no pictures found", "another method is called worse"):
        assert part in message
    assert not (results / "out").exists()


def test_a_picture_of_another_size_is_a_line(results):
    write(Picture(np.zeros((41, 44, 3), np.uint8)), results / "worse" / "p0x4.png")
    found = evaluated(results)
    assert found.exit_code == 1
    assert "psnr" in found.methods["worse"].pictures[0].problems


def test_without_references_names_tell_which_pictures_belong_together(results):
    folders = [results / "worse", results / "HR"]
    found = evaluate_results(folders, results / "out", metrics=["brisque"])
    assert found.exit_code == 0
    assert (results / "out" / "table.md").read_text().count("**") == 2


def test_bicubic_on_set5_has_its_published_figure(shared_data, tmp_path):
    """28.42 dB on Y, as in the papers on super-resolution since SRCNN (arXiv:1501.00092)."""
    (tmp_path / "bicubic").mkdir()
    for case in read_test_set(shared_data / "set5").cases:
        low, high = aimanga.read(case.low), aimanga.read(case.high)
        enlarged = to_array(resize(from_array(low.pixels), high.height, high.width), np.uint8)
        write(Picture(enlarged), tmp_path / "bicubic" / f"{case.name}.png")
    found = evaluate_results(
        [tmp_path / "bicubic"], tmp_path / "out", metrics=["psnr"], reference=shared_data / "set5" / "HR"
    )
    assert found.methods["bicubic"].mean("psnr") == pytest.approx(28.42, abs=0.02)
