import json
import math

from aimanga.metrics import METRICS
from aimanga.train.scores import (
    OWN,
    History,
    canonical,
    is_artifact,
    is_better,
    lower_is_better,
    needs_reference,
)  # fmt: skip


def scores(l1, psnr):
    return {"held_out": {"l1": l1, "psnr": psnr}}


def test_the_best_and_the_worse():
    history = History()
    assert history.add(0, scores(0.10, 20.0)) == (["held_out l1", "held_out psnr"], [])
    assert history.add(10, scores(0.09, 19.0)) == (["held_out l1"], ["held_out psnr"])
    assert history.add(20, scores(0.095, 21.0)) == (["held_out psnr"], [])
    assert history.add(30, scores(0.095, math.nan)) == ([], ["held_out psnr"])
    assert history.add(40, scores(0.2, math.inf)) == (["held_out psnr"], ["held_out l1"])
    assert history.best == {"held_out l1": 0.09, "held_out psnr": math.inf}
    assert history.iterations == {"held_out l1": 10, "held_out psnr": 40}


def test_an_artifact_is_the_best_but_never_worse():
    """A little more of it than at the start is no news: it has a limit instead."""
    history = History()
    history.add(0, {"real": {"grid": 1.01, "niqe": 5.0}})
    assert history.add(10, {"real": {"grid": 1.02, "niqe": 6.0}}) == ([], ["real niqe"])
    assert history.add(20, {"real": {"grid": 0.98, "niqe": 5.5}}) == (["real grid"], ["real niqe"])


def test_a_history_goes_on_from_json():
    history = History()
    history.add(0, scores(0.1 + 0.2, 20.0))
    history.add(10, scores(0.2, math.inf))
    again = History.from_json(json.loads(json.dumps(history.to_json(), allow_nan=False)))
    assert again == history


def test_directions():
    assert all(map(lower_is_better, (*OWN, "niqe")))
    assert not lower_is_better("psnr")
    assert is_better("psnr", 21, 20)
    assert not is_better("l1", 0.2, 0.1)
    assert not is_better("niqe", 3.0, 3.0)


def test_names_are_found_as_people_write_them():
    names = ["l1", "Colour-drift", " grid", "CLIP-IQA", "fid"]
    assert [canonical(name) for name in names] == ["l1", "colour_drift", "grid", "clip_iqa", "fid"]


def test_names_mean_one_thing():
    assert not set(OWN) & {metric.name for metric in METRICS}
    assert [name for name in (*OWN, "psnr", "niqe") if needs_reference(name)] == ["l1", "psnr"]
    assert is_artifact("real colour_drift")
    assert not is_artifact("held_out l1")
