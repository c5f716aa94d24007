import shlex

import pytest

from aimanga import SweepOptions, UsageError
from aimanga.models.mix import load_mixture
from aimanga.sweep.plan import plan_sweep, points_of


def factors(*parts, steps=3):
    mixture = load_mixture([(str(path), factor) for path, factor in parts])
    return {point.name: point.mixture.factors for point in points_of(mixture, steps)}


def test_the_line_begins_at_the_first_model_alone(brighter):
    a, b, c = map(brighter, (0, 10, 20))
    assert factors((a, 0), (b, 1)) == {"t=0": (1, 0), "t=0.5": (0.5, 0.5), "t=1": (0, 1)}
    assert factors((a, 1), (b, 1), (c, -1)) == {"t=0": (1, 0, 0), "t=0.5": (1, 0.5, -0.5), "t=1": (1, 1, -1)}
    assert factors((a, 0.3), (b, 0.7)) == {"t=0": (1, 0), "t=0.5": (0.65, 0.35), "t=1": (0.3, 0.7)}
    assert list(factors((a, 0), (b, 1), steps=4)) == ["t=0", "t=0.333", "t=0.667", "t=1"]


def test_a_point_has_the_command_that_writes_exactly_its_weights(brighter):
    mixture = load_mixture([(str(brighter(0)), 0), (str(brighter(10, "with a space")), 1)])
    for point in points_of(mixture, 4):
        words = shlex.split(point.command)
        assert words[:5] == ["aimanga", "models", "mix", "-o", "mixed.safetensors"]
        written = dict(word.rsplit("=", 1) for word in words[5:])
        given = {m.name: f for m, f in zip(point.mixture.models, point.mixture.factors, strict=True) if f}
        assert {name: float(factor) for name, factor in written.items()} == given


def test_all_problems_are_named_before_the_work(brighter, pairs, tmp_path):
    a, b = brighter(0), brighter(10)
    (tmp_path / "file").touch()
    for pictures, parts, output, options, messages in (
        (tmp_path / "none", [f"{a}=x", "b=1"], "out", {}, ("no such folder", "a model and its factor", "b: no model")),
        (pairs, [f"{a}=0.5"], "out", {}, ("a line has two ends",)),
        (pairs, [f"{a}=1", f"{b}=0"], "out", {}, ("both ends of the line are 1 ",)),
        (pairs, [f"{a}=0", f"{b}=1"], "file", {"device": "toaster"}, ("--device toaster", "this is a file")),
        (pairs, [f"{a}=0", f"{b}=1"], "out", {"metrics": ("beauty",)}, ("beauty",)),
        (pairs / "LR", [f"{a}=0", f"{b}=1"], "out", {"metrics": ("psnr",)}, ("need ground truth",)),
    ):
        with pytest.raises(UsageError) as caught:
            plan_sweep(pictures, parts, tmp_path / output, SweepOptions(**options))
        assert all(message in str(caught.value) for message in messages), caught.value
        assert not (tmp_path / "out").exists()


def test_fr_metrics_are_left_out_without_ground_truth(brighter, pairs, tmp_path):
    parts = [f"{brighter(0)}=0", f"{brighter(10)}=1"]
    names = {
        folder.name: [metric.name for metric in plan_sweep(folder, parts, tmp_path, SweepOptions()).metrics]
        for folder in (pairs, pairs / "LR")
    }
    assert names == {"val": ["psnr", "niqe", "brisque"], "LR": ["niqe", "brisque"]}
