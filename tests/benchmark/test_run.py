import csv
import json

import numpy as np
import pytest
from PIL import Image

from aimanga.batch import Watcher
from aimanga.benchmark import BenchmarkRecipe, benchmark
from aimanga.errors import UsageError
from aimanga.images import Picture, write
from tests.conftest import ROOT

KERNELS = [{"name": "bicubic", "resample": "bicubic"}, {"name": "lanczos", "resample": "lanczos"}]


class Counting(Watcher):
    def __init__(self):
        self.made, self.scored = [], []

    def on_end(self, job, record):
        if record.status == "done":
            # A result becomes its score: what is scored lies in the folder of a method.
            kind = self.scored if "scores" in job.target.name else self.made
            kind.append((job.target.parent.name, job.source.stem))


def a_recipe(folder, methods=KERNELS, **settings):
    settings = {"metrics": ["psnr", "brisque"], "sets": [{"name": "Small", "folder": str(folder)}]} | settings
    return BenchmarkRecipe.model_validate({"methods": methods, **settings})


def a_program(path, *options, name="program"):
    return {"name": name, "command": ["{python}", str(path), "{input}", "{output}", "{scale}", *options]}


def test_everything_is_written(small_set, tmp_path):
    report = benchmark(a_recipe(small_set), tmp_path / "out")
    assert report.exit_code == 0
    names = [path.relative_to(tmp_path / "out").as_posix() for path in report.written]
    assert names == ["results.md", "results.tex", "scores.csv", "results.json", "report.html"]
    assert all(path.stat().st_size > 500 for path in report.written)
    rows = list(csv.DictReader((tmp_path / "out" / "scores.csv").open()))
    assert len(rows) == 14
    for name in ("bicubic", "lanczos"):
        mine = [float(row["psnr"]) for row in rows if row["method"] == name]
        assert report.sets["Small"].mean(name, "psnr") == pytest.approx(np.mean(mine))
    content = json.loads((tmp_path / "out" / "results.json").read_text())
    assert content["sets"]["Small"]["methods"]["bicubic"]["means"]["psnr"]["mean"] == report.sets["Small"].mean(
        "bicubic", "psnr"
    )
    text = (tmp_path / "out" / "results.md").read_text()
    assert f"| bicubic | {report.sets['Small'].mean('bicubic', 'psnr'):.3f}" in text.replace("**", "")
    assert r"\begin{tabular}{lrrr}" in (tmp_path / "out" / "results.tex").read_text()


def test_a_second_call_repeats_nothing(small_set, tmp_path):
    first, second = Counting(), Counting()
    before = benchmark(a_recipe(small_set), tmp_path / "out", watcher=first)
    pages = {path: path.read_bytes() for path in before.written}
    assert len(first.made) == len(first.scored) == 14
    benchmark(a_recipe(small_set), tmp_path / "out", watcher=second)
    assert second.made == second.scored == []
    assert {path: path.read_bytes() for path in before.written} == pages


def test_changing_one_methods_weights_redoes_only_that_method(small_set, tmp_path, program):
    weights = tmp_path / "weights.pth"
    recipe = a_recipe(small_set, [*KERNELS, a_program(program, name="mine") | {"depends": [str(weights)]}])
    first, second = Counting(), Counting()
    weights.write_text("one")
    before = benchmark(recipe, tmp_path / "out", watcher=first)
    weights.write_text("other")
    program.write_text(program.read_text().replace("NEAREST", "BOX, reducing_gap=None).rotate(180"))
    after = benchmark(recipe, tmp_path / "out", watcher=second)
    assert {method for method, _ in second.made} == {method for method, _ in second.scored} == {"mine"}
    assert len(second.made) == len(second.scored) == 7
    assert after.sets["Small"].mean("mine", "psnr") != before.sets["Small"].mean("mine", "psnr")
    assert after.sets["Small"].mean("bicubic", "psnr") == before.sets["Small"].mean("bicubic", "psnr")


def test_what_fails_is_named_and_stops_nothing(small_set, tmp_path, program):
    methods = [*KERNELS, a_program(program, "wrong", name="wrong"), a_program(program, "crash", name="crash")]
    report = benchmark(a_recipe(small_set, methods), tmp_path / "out")
    assert report.exit_code == 1
    assert report.sets["Small"].mean("lanczos", "psnr") > 0
    assert "Small, wrong, p0, p1, p2 and 4 more: the result is 97 x 81, and 96 x 80 was expected" in report.failures
    assert any(line.startswith("Small, crash, p0") and "out of memory" in line for line in report.failures)
    assert "## What is missing" in (tmp_path / "out" / "results.md").read_text()
    assert "97 x 81" in (tmp_path / "out" / "report.html").read_text()


def test_results_that_were_made_elsewhere(small_set, tmp_path):
    elsewhere = tmp_path / "theirs" / "Small"
    elsewhere.mkdir(parents=True)
    for path in (small_set / "HR").iterdir():
        Image.open(path).save(elsewhere / f"{path.stem}x4_theirs.png")
    method = {"name": "theirs", "results": str(tmp_path / "theirs" / "{set}")}
    report = benchmark(a_recipe(small_set, [*KERNELS, method]), tmp_path / "out")
    assert report.exit_code == 0
    assert report.sets["Small"].mean("theirs", "psnr") == float("inf")
    assert report.sets["Small"].methods["theirs"].seconds_per_megapixel is None
    (elsewhere / "p3x4_theirs.png").unlink()
    with pytest.raises(UsageError, match="theirs: .* has no result of p3"):
        benchmark(a_recipe(small_set, [*KERNELS, method]), tmp_path / "out")


def test_a_set_without_ground_truth_has_the_metrics_that_need_none(small_set, tmp_path):
    sets = [{"name": "Real", "folder": str(small_set / "LR")}]
    report = benchmark(a_recipe(small_set, sets=sets), tmp_path / "out")
    assert [metric.name for metric in report.sets["Real"].metrics] == ["brisque"]
    assert report.exit_code == 0
    with pytest.raises(UsageError, match="psnr: FR metrics need ground truth, and this set has none"):
        benchmark(a_recipe(small_set, sets=sets, metrics=["psnr"]), tmp_path / "out")


def test_a_set_is_made_from_good_pictures(tmp_path):
    sets = [{"name": "Made", "categories": str(ROOT / "benchmarks" / "photos"), "count": 4, "crop": 64}]
    figures = [{"set": "Made", "picture": "nobody"}]
    with pytest.raises(UsageError, match="Made has no picture nobody"):
        benchmark(a_recipe(None, KERNELS[:1], sets=sets, figures=figures), tmp_path / "out")
    report = benchmark(a_recipe(None, KERNELS[:1], sets=sets), tmp_path / "out")
    found = report.sets["Made"]
    assert set(found.categories.values()) == {"animals", "food", "objects", "vehicles"}
    assert found.mean("bicubic", "psnr") > 15
    content = json.loads((tmp_path / "out" / "sets" / "Made" / "manifest.json").read_text())
    assert {picture["license"] for picture in content["pictures"]} == {"CC0-1.0"}


def test_a_metric_without_weights_is_named_and_the_others_run(small_set, tmp_path, monkeypatch):
    monkeypatch.setenv("AIMANGA_WEIGHTS", str(tmp_path / "none"))
    report = benchmark(a_recipe(small_set, KERNELS[:1], metrics=["psnr", "musiq"]), tmp_path / "out")
    assert report.exit_code == 1
    assert report.failures == ["Small: musiq: weights missing: aimanga weights fetch musiq-koniq"]
    assert report.sets["Small"].mean("bicubic", "psnr") > 0
    with pytest.raises(UsageError, match="none of its metrics can run: musiq: weights missing"):
        benchmark(a_recipe(small_set, KERNELS[:1], metrics=["musiq"]), tmp_path / "none")


def test_all_that_cannot_be_done_is_said_at_once_and_nothing_is_done(small_set, tmp_path):
    write(Picture(np.zeros((84, 96, 3), np.uint8)), small_set / "HR" / "p2.png")
    methods = [{"name": "a", "model": "none"}, {"name": "b", "command": ["none", "{input}", "{output}"]}]
    methods += [{"name": "c", "results": "none/{set}"}]
    sets = [{"name": "Small", "folder": str(small_set)}, {"name": "Gone", "folder": "gone"}]
    figures = [{"set": "Small", "picture": "p9"}, {"set": "Small", "picture": "p0", "box": [0, 0, 97, 8]}]
    with pytest.raises(UsageError) as caught:
        benchmark(a_recipe(small_set, methods, sets=sets, figures=figures), tmp_path / "out")
    for part in (
        "a: none: no model of this name", "b: there is no program none", "c: there is no folder none/Small",
        "p2.png: 96 x 84, but 4 times p2.png is 96 x 80", "Gone: gone: there is no such folder",
        "Small has no picture p9", "the box 0, 0, 97, 8 is not within p0, 96 x 80",
    ):  # fmt: skip
        assert part in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_figures_show_all_methods_with_their_scores(small_set, tmp_path):
    pytest.importorskip("matplotlib", reason="figures are drawn with it: pip install 'aimanga[figures]'")
    figures = [
        {"set": "Small", "picture": "p5", "metrics": ["psnr"]},
        {"set": "Small", "picture": "p0", "box": [8, 8, 32, 32]},
    ]
    first = benchmark(a_recipe(small_set, figures=figures), tmp_path / "out")
    names = [path.name for path in first.written if path.parent.name == "figures"]
    assert names == ["Small-p5.png", "Small-p5.pdf", "Small-p0.png", "Small-p0.pdf"]
    image = Image.open(tmp_path / "out" / "figures" / "Small-p5.png").convert("RGB")
    assert image.width > 2 * image.height
    # The crops are there as they are: the pixels of the picture, none between them.
    low = np.asarray(Image.open(small_set / "LR" / "p5.png").convert("RGB")).reshape(-1, 3)
    shown = np.asarray(image).reshape(-1, 3)
    colours = {tuple(colour) for colour in shown}
    assert sum(tuple(colour) in colours for colour in low) > 0.9 * len(low)
    pdf = (tmp_path / "out" / "figures" / "Small-p5.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    before = {path: path.read_bytes() for path in first.written}
    benchmark(a_recipe(small_set, figures=figures), tmp_path / "out")
    assert {path: path.read_bytes() for path in first.written} == before


def test_bicubic_on_set5_has_its_published_figure(shared_data, tmp_path):
    """28.42 dB on Y, as in the papers on super-resolution since SRCNN (arXiv:1501.00092)."""
    recipe = a_recipe(shared_data / "set5", KERNELS[:1], metrics=["psnr"])
    report = benchmark(recipe, tmp_path / "out")
    assert report.sets["Small"].mean("bicubic", "psnr") == pytest.approx(28.42, abs=0.02)
