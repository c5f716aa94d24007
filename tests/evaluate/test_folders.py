import csv
import json
import re

import numpy as np
import pytest
from PIL import Image

import aimanga
from aimanga.errors import UsageError
from aimanga.evaluate import evaluate, read_test_set
from aimanga.images import Picture, write
from aimanga.metrics import score
from aimanga.tensors import from_array, resize, to_array
from tests.watchers import Counting


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


def evaluated(results, *methods, metrics=("psnr", "ssim", "brisque"), **options):
    folders = [results / name for name in (methods or ("near & far_1", "worse"))]
    return evaluate(folders, results / "out", metrics=metrics, reference=results / "HR", **options)


def mean(found, method, metric):
    (results,) = found.sets.values()
    return results.mean(method, metric)


def columns(found):
    (results,) = found.sets.values()
    return {column.name: column for column in results.columns}


def test_the_means_are_those_of_the_pictures(results):
    found = evaluated(results)
    assert list(found.methods) == ["near & far_1", "worse"]
    rows = list(csv.DictReader((results / "out" / "scores.csv").open()))
    assert len(rows) == 12
    for name in found.methods:
        mine = [float(row["psnr"]) for row in rows if row["method"] == name]
        assert mean(found, name, "psnr") == pytest.approx(np.mean(mine))
    picture, true = (Picture(np.asarray(Image.open(results / folder / name))) for folder, name in (
        ("worse", "p0x4.png"), ("HR", "p0.png")))  # fmt: skip
    row = next(row for row in rows if (row["method"], row["picture"]) == ("worse", "p0"))
    assert float(row["psnr"]) == pytest.approx(score("psnr", picture, true))


def test_the_best_is_bold_by_the_direction_of_its_metric(results):
    found = evaluated(results)
    best = {name: column.best() for name, column in columns(found).items()}
    assert best["psnr"] == best["ssim"] == ("near & far_1",)
    table = (results / "out" / "results.md").read_text().splitlines()
    head = table.index("| method | PSNR ↑ | SSIM ↑ | BRISQUE ↓ |")
    near = [cell.strip() for cell in table[head + 2].strip("|").split("|")]
    assert near[0] == "near & far_1"
    assert near[1] == f"**{mean(found, 'near & far_1', 'psnr'):.3f}**"
    assert best["brisque"] == (min(found.methods, key=lambda name: mean(found, name, "brisque")),)
    assert any(line.startswith("- PSNR: ") for line in table)


def test_what_differs_significantly_is_marked(results):
    """Six pictures, all of them better: the signed-rank test has p = 2 / 2**6, Holm's correction of one leaves it."""
    found = evaluated(results, metrics=("psnr",))
    assert columns(found)["psnr"].means["worse"].p == pytest.approx(2 / 2**6)
    assert r"\* differs from near & far_1: p < 0.05" in (results / "out" / "results.md").read_text()


def test_latex_is_that_of_the_factsheet(results):
    evaluated(results)
    text = (results / "out" / "results.tex").read_text()
    assert r"\begin{tabular}{lrrr}" in text
    assert r"Method & PSNR $\uparrow$ & SSIM $\uparrow$ & BRISQUE $\downarrow$ \\" in text
    assert re.search(r"near \\& far\\_1 & \\textbf\{\d+\.\d{3}\} & \\textbf\{0\.\d{3}\} & .*\\\\", text)


def test_json_has_intervals_and_protocols(results):
    evaluated(results)
    content = json.loads((results / "out" / "results.json").read_text())
    (found,) = content["sets"].values()
    psnr = found["methods"]["worse"]["means"]["psnr"]
    assert psnr["interval"][0] < psnr["mean"] < psnr["interval"][1]
    assert "PSNR" in content["protocols"]
    assert len(found["methods"]["worse"]["pictures"]) == psnr["pictures"] == 6


def test_equals_are_both_the_best_and_one_alone_is_none(results):
    (results / "again").mkdir()
    for path in (results / "worse").iterdir():
        (results / "again" / path.name).write_bytes(path.read_bytes())
    found = evaluated(results, "worse", "again", metrics=("psnr",))
    assert columns(found)["psnr"].best() == ("worse", "again")
    assert "**" not in (evaluated(results, "worse", metrics=("psnr",)) and (results / "out" / "results.md").read_text())


def test_a_second_call_scores_only_what_has_changed(results):
    first, second = Counting(), Counting()
    before = evaluated(results, watcher=first)
    assert len(first.done) == 12
    path = results / "worse" / "p3x4.png"
    write(Picture(np.zeros((40, 44, 3), np.uint8)), path)
    after = evaluated(results, watcher=second)
    assert second.done == ["p3x4.png"]
    assert mean(after, "worse", "psnr") < mean(before, "worse", "psnr")
    assert mean(after, "near & far_1", "psnr") == mean(before, "near & far_1", "psnr")


def test_missing_pictures_and_other_problems_are_named_at_once(results):
    (results / "worse" / "p3x4.png").unlink()
    (results / "empty").mkdir()
    (results / "deep" / "worse").mkdir(parents=True)
    with pytest.raises(UsageError) as caught:
        evaluated(results, "near & far_1", "worse", "empty", "deep/worse")
    message = str(caught.value)
    for part in ("worse lacks p3, which others have", "empty: no pictures found", "another method is called worse"):
        assert part in message
    assert not (results / "out").exists()


def test_a_picture_of_another_size_is_a_line(results):
    write(Picture(np.zeros((41, 44, 3), np.uint8)), results / "worse" / "p0x4.png")
    found = evaluated(results)
    assert found.exit_code == 1
    (line,) = found.failures
    assert "HR, worse, p0: the picture has 44 x 41 pixels, its reference 44 x 40" in line


def test_without_references_names_tell_which_pictures_belong_together(results):
    folders = [results / "worse", results / "HR"]
    found = evaluate(folders, results / "out", metrics=["brisque"])
    assert found.exit_code == 0
    assert (results / "out" / "results.md").read_text().count("**") == 2


def test_bicubic_on_set5_has_its_published_figure(shared_data, tmp_path):
    """28.42 dB on Y, as in the papers on super-resolution since SRCNN (arXiv:1501.00092)."""
    (tmp_path / "bicubic").mkdir()
    for case in read_test_set(shared_data / "set5").cases:
        low, high = aimanga.read(case.low), aimanga.read(case.high)
        enlarged = to_array(resize(from_array(low.pixels), high.height, high.width), np.uint8)
        write(Picture(enlarged), tmp_path / "bicubic" / f"{case.name}.png")
    found = evaluate([tmp_path / "bicubic"], tmp_path / "out", metrics=["psnr"], reference=shared_data / "set5" / "HR")
    assert mean(found, "bicubic", "psnr") == pytest.approx(28.42, abs=0.02)
