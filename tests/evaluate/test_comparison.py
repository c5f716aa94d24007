import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from aimanga.evaluate import PictureScores
from aimanga.evaluate.comparison import Cost, MethodResult, SetResult
from aimanga.metrics import find_metric


def a_set(scores, *, metrics=("psnr", "niqe"), missing=(), costs=None, problems=None):
    """A result from scores by method and metric; None where a method has made no picture."""
    count = len(next(iter(next(iter(scores.values())).values())))
    names = [f"p{n}" for n in range(count)]
    methods = {}
    for method, values in scores.items():
        made = {
            name: PictureScores(Path(f"{method}/{name}.png"), 8, 8, {key: row[n] for key, row in values.items()})
            for n, name in enumerate(names)
            if all(row[n] is not None for row in values.values())
        }
        files = {name: picture.file for name, picture in made.items()}
        failed = {name: "it failed" for name in names if name not in made}
        methods[method] = MethodResult(files, failed, (costs or {}).get(method, {}), made)
    found = tuple(find_metric(name) for name in metrics)
    return SetResult(
        "Set",
        dict.fromkeys(names),
        False,
        {},
        found,
        {name: f"{name}: no weights" for name in missing},
        next(iter(scores)),
        methods,
    )


def test_means_are_over_the_pictures_that_all_have_made():
    found = a_set({"a": {"psnr": [20.0, 30.0, None, 40.0]}, "b": {"psnr": [21.0, None, 31.0, 41.0]}}, metrics=("psnr",))
    assert found.common == ("p0", "p3")
    assert found.mean("a", "psnr") == 30
    assert found.mean("b", "psnr") == 31
    assert found.failures == ["Set, a, p2: it failed", "Set, b, p1: it failed"]


def test_a_method_that_has_made_nothing_does_not_take_the_others_with_it():
    found = a_set({"a": {"psnr": [20.0, 30.0]}, "b": {"psnr": [None, None]}}, metrics=("psnr",))
    assert found.mean("a", "psnr") == 25
    assert found.mean("b", "psnr") is None
    assert [column.text("b") for column in found.columns] == [None]


def test_directions_and_best():
    found = a_set({"a": {"psnr": [20.0, 22.0], "niqe": [5.0, 5.0]}, "b": {"psnr": [25.0, 25.0], "niqe": [6.0, 6.0]}})
    psnr, niqe = found.columns
    assert psnr.head == "PSNR ↑"
    assert psnr.best() == ("b",)
    assert niqe.head == "NIQE ↓"
    assert niqe.best() == ("a",)


def signed_rank_p(differences):
    """Wilcoxon's exact probability by going through all signs: ranks of |d|, both sides."""
    ranks = np.argsort(np.argsort(np.abs(differences))) + 1
    centre = ranks.sum() / 2
    mine = abs(ranks[np.array(differences) > 0].sum() - centre)
    sums = [
        sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign)
        for signs in product((0, 1), repeat=len(ranks))
    ]
    return float(np.mean([abs(value - centre) >= mine - 1e-9 for value in sums]))


def test_differences_are_told_from_chance_by_the_signed_rank_test_with_holms_correction():
    rng = np.random.default_rng(3)
    base = list(rng.normal(30, 3, 9))
    better = [value + gain for value, gain in zip(base, rng.uniform(0.5, 1, 9), strict=True)]
    other = [value + gain for value, gain in zip(base, [1, -2, 3, -1.5, 0.4, -0.3, 0.2, -0.9, 0.8], strict=True)]
    found = a_set({"base": {"psnr": base}, "better": {"psnr": better}, "other": {"psnr": other}}, metrics=("psnr",))
    single = {name: signed_rank_p(np.array(values) - base) for name, values in (("better", better), ("other", other))}
    assert single["better"] == 2 / 2**9
    # Of two probabilities the smaller one counts twice, the larger one is at least that.
    assert found.significance["better", "psnr"] == pytest.approx(2 * single["better"])
    assert found.significance["other", "psnr"] == pytest.approx(max(2 * single["better"], single["other"]))
    assert {name: found.columns[0].mark(name) for name in found.methods} == {"base": "", "better": "*", "other": ""}


@pytest.mark.parametrize("scores", [[1.0] * 5, [math.inf] * 8])
def test_too_few_pictures_and_infinite_scores_tell_nothing(scores):
    found = a_set({"a": {"psnr": scores}, "b": {"psnr": [value + 1 for value in scores]}}, metrics=("psnr",))
    assert found.significance == {}


def test_equal_results_do_not_differ():
    found = a_set({"a": {"psnr": [1.0] * 8}, "b": {"psnr": [1.0] * 8}}, metrics=("psnr",))
    assert found.significance == {("b", "psnr"): 1.0}


def test_costs_are_columns_where_there_are_some():
    costs = {"a": {"p0": Cost(2.0, 1.0, 2**30), "p1": Cost(4.0, 2.0, 2**29), "p2": Cost(None, 5.0, None)}}
    scores = {"a": {"psnr": [1.0, 2.0, 3.0]}, "b": {"psnr": [1.0, 2.0, 3.0]}}
    found = a_set(scores, metrics=("psnr",), costs=costs)
    columns = {column.title: column for column in found.columns}
    assert columns["s/MP"].means["a"].value == 2.0
    assert columns["MiB"].text("a") == "1024"
    assert columns["MiB"].text("b") is None
    assert [column.title for column in a_set(scores, metrics=("psnr",)).columns] == ["PSNR"]


def test_metrics_without_weights_are_named_and_have_no_column():
    found = a_set({"a": {"psnr": [1.0]}}, metrics=("psnr", "musiq"), missing=("musiq",))
    assert [column.title for column in found.columns] == ["PSNR"]
    assert found.failures == ["Set: musiq: no weights"]


def test_a_score_that_is_no_number_is_missing():
    found = a_set({"a": {"psnr": [1.0, math.nan, 3.0]}, "b": {"psnr": [math.inf, 2.0, 2.0]}}, metrics=("psnr",))
    assert found.values("a", "psnr") == {"p0": 1.0, "p2": 3.0}
    assert found.mean("b", "psnr") == math.inf
