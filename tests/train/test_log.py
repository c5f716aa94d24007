import json
import math

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from aimanga.images import Picture, write
from aimanga.train.log import Log, read_log
from tests.train.conftest import noise

TRAINED = {"losses": {"pixel": 0.5}, "l1": 0.5, "lr": {"generator": 1e-4}, "gradients": {"generator": 2.0},
           "samples_per_second": 3.0, "seconds": 0.1}  # fmt: skip


def trained(value):
    return TRAINED | {"losses": {"pixel": value}}


def written(folder, *events, tensorboard=False, resumed_at=None):
    with Log(folder, tensorboard=tensorboard, resumed_at=resumed_at) as log:
        for event, iteration, fields in events:
            log.write(event, iteration, **fields)


def test_a_line_an_event(tmp_path):
    with Log(tmp_path, tensorboard=False) as log:
        made = log.write("warning", 7, message="ärger")
    [line] = (tmp_path / "log.jsonl").read_text(encoding="ascii").splitlines()
    assert json.loads(line) == made
    assert (made["event"], made["iteration"], made["message"]) == ("warning", 7, "ärger")
    assert made["time"].endswith("+00:00")


def test_what_json_does_not_have_is_null(tmp_path):
    written(tmp_path, ("validation", 0, {"scores": {"held_out": {"psnr": math.inf, "l1": math.nan}}, "grids": {}}))
    text = (tmp_path / "log.jsonl").read_text()
    assert "Infinity" not in text
    assert "NaN" not in text
    assert read_log(tmp_path)[0]["scores"] == {"held_out": {"psnr": None, "l1": None}}


def test_an_unfinished_line_is_dropped(tmp_path):
    written(tmp_path, ("saved", 1, {}), ("saved", 2, {}))
    path = tmp_path / "log.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    assert [event["iteration"] for event in read_log(tmp_path)] == [1]
    written(tmp_path, ("saved", 3, {}))
    assert [event["iteration"] for event in read_log(tmp_path)] == [1, 3]


def test_what_was_overtaken_is_left_out(tmp_path):
    written(
        tmp_path, ("start", 0, {}), ("train", 2, TRAINED), ("saved", 2, {}), ("train", 4, TRAINED),
        ("warning", 4, {"message": "hot"}), ("rollback", 2, {"to": 2, "message": "back"}), ("train", 4, TRAINED),
        ("saved", 4, {}), ("train", 6, TRAINED), ("start", 4, {}), ("train", 6, TRAINED),
    )  # fmt: skip
    found = [(event["event"], event["iteration"]) for event in read_log(tmp_path)]
    assert found == [
        ("start", 0), ("train", 2), ("saved", 2), ("warning", 4), ("rollback", 2), ("train", 4), ("saved", 4),
        ("start", 4), ("train", 6),
    ]  # fmt: skip


def test_without_a_log_nothing_has_happened(tmp_path):
    assert read_log(tmp_path) == []


@pytest.fixture
def board(tmp_path):
    def read():
        found = EventAccumulator(str(tmp_path / "tensorboard"), {"scalars": 0, "images": 0})
        found.Reload()
        return found

    return read


def test_tensorboard_has_the_curves_and_the_pictures(tmp_path, board):
    (tmp_path / "inputs").mkdir()
    for name in ("inputs/1.png", "held_out.png"):
        write(Picture(noise(0)), tmp_path / name)
    written(
        tmp_path, ("start", 0, {}), ("inputs", 1, {"picture": "inputs/1.png"}), ("train", 2, TRAINED),
        ("validation", 2, {"scores": {"held_out": {"psnr": 20.0, "l1": math.nan}, "real": {"niqe": 5.0}},
                           "grids": {"held_out": "held_out.png"}}),
        tensorboard=True,
    )  # fmt: skip
    found = board()
    assert set(found.Tags()["scalars"]) == {
        "losses/pixel", "lr/generator", "gradients/generator", "training/l1", "training/samples_per_second",
        "held_out/psnr", "real/niqe",
    }  # fmt: skip
    assert set(found.Tags()["images"]) == {"pictures/inputs", "pictures/held_out"}
    assert [(point.step, point.value) for point in found.Scalars("losses/pixel")] == [(2, 0.5)]


def test_a_resumed_curve_does_not_zigzag(tmp_path, board):
    written(tmp_path, *(("train", n, trained(n / 10)) for n in (1, 2, 3, 4)), tensorboard=True)
    written(tmp_path, *(("train", n, trained(n)) for n in (3, 4, 5)), tensorboard=True, resumed_at=2)
    points = [(point.step, point.value) for point in board().Scalars("losses/pixel")]
    assert points == [(n, pytest.approx(value)) for n, value in ((1, 0.1), (2, 0.2), (3, 3), (4, 4), (5, 5))]
    assert np.isfinite([value for _, value in points]).all()
