import csv
import json
import math

import numpy as np
import pytest
import torch

from aimanga import Watcher, mix, sweep, upscale
from aimanga.images import Picture, read
from aimanga.models import SRVGGNetCompact, save_checkpoint
from tests.sweep.conftest import PICTURES


def test_scores_along_the_line_are_those_computed_by_hand(swept):
    report, folder = swept
    # Y in video range: a level of all three channels is 219 / 255 of it.
    expected = {f"t={t}": 20 * math.log10(255 / (levels * 219 / 255)) for t, levels in ((0.5, 10), (1, 20))}
    found = report.sets["val"]
    for name, value in expected.items():
        assert found.mean(name, "psnr") == pytest.approx(value, abs=1e-4)
    assert found.mean("t=0", "psnr") == math.inf
    assert list(found.methods) == ["t=0", "t=0.5", "t=1"]
    assert report.exit_code == 0
    for name in PICTURES:
        low = read(folder / "results" / "t=0.5" / f"{name}.png").pixels.astype(int)
        high = read(folder / "results" / "t=0" / f"{name}.png").pixels
        assert np.all(low - high == 10)


def test_tables_for_programs(swept):
    report, folder = swept
    content = json.loads((folder / "results.json").read_text())
    means = content["sets"]["val"]["methods"]["t=0.5"]["means"]
    assert set(means) == {"psnr", "niqe", "brisque"}
    assert content["methods"]["t=0.5"].startswith("aimanga models mix -o mixed.safetensors /")
    assert content["command"].startswith("aimanga models sweep ")
    rows = list(csv.DictReader((folder / "scores.csv").open()))
    assert [(row["method"], row["picture"]) for row in rows[:5]] == [
        *(("t=0", name) for name in PICTURES),
        ("t=0.5", "a"),
    ]
    assert {path.name for path in report.written} == {
        "results.md", "results.tex", "scores.csv", "results.json", "report.html",
    }  # fmt: skip
    assert not list(folder.rglob("*.safetensors"))


def test_a_second_call_repeats_nothing_and_other_factors_only_what_differs(brighter, pairs, tmp_path):
    done = []

    class Counter(Watcher):
        def on_end(self, job, record):
            if record.status == "done" and "results" in job.target.name:
                done.append((job.target.name, job.source.name))

    parts = {brighter(0): 0, brighter(10): 1}
    settings = {"steps": 2, "metrics": ("psnr",), "precision": "fp32", "watcher": Counter()}
    sweep(pairs, parts, tmp_path, **settings)
    assert len(done) == 2 * len(PICTURES)
    sweep(pairs, parts, tmp_path, **settings)
    assert len(done) == 2 * len(PICTURES)
    (tmp_path / "results" / "t=1" / "a.png").unlink()
    sweep(pairs, parts, tmp_path, **settings)
    assert done[2 * len(PICTURES) :] == [("t=1 results.jsonl", "a.png")]
    sweep(pairs, {brighter(0): 0, brighter(10): 0.5}, tmp_path, **settings)
    assert {name for name, _ in done[2 * len(PICTURES) + 1 :]} == {"t=1 results.jsonl"}


def test_a_mixture_that_is_not_finite_fails_alone(brighter, pairs, tmp_path):
    network = SRVGGNetCompact(features=4, convs=1, scale=4)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(2.0)
    save_checkpoint(tmp_path / "large.safetensors", network)
    report = sweep(
        pairs, {brighter(0): 1, tmp_path / "large.safetensors": 1e300}, tmp_path / "out", steps=2, metrics=("psnr",)
    )
    assert report.exit_code == 1
    assert len(report.sets["val"].methods["t=0"].files) == len(PICTURES)
    assert any("val, t=1" in line and "is not finite" in line for line in report.failures)
    assert (tmp_path / "out" / "report.html").is_file()


def test_the_command_of_a_point_writes_what_was_scored(swept, tmp_path):
    report, folder = swept
    parts = report.methods["t=0.5"].split()[5:]
    mix(parts, tmp_path / "mixed.safetensors")
    name = PICTURES[0]
    source = read(folder / "results" / "t=0" / f"{name}.png")  # 4 x 4 of each pixel
    low = Picture(np.ascontiguousarray(source.pixels[::4, ::4]))
    made = upscale(low, model=tmp_path / "mixed.safetensors", precision="fp32")
    assert np.array_equal(made.pixels, read(folder / "results" / "t=0.5" / f"{name}.png").pixels)
