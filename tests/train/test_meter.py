import time

import pytest

from aimanga.train.meter import Meter


def test_it_gives_means_and_begins_anew():
    meter = Meter()
    for value in (1.0, 3.0):
        meter.update({"l1": value, "pixel": 2 * value, "gradient generator": 10 * value})
    means = meter.reset(batch_size=4)
    assert (means["l1"], means["losses"], means["gradients"]) == (2.0, {"pixel": 4.0}, {"generator": 20.0})
    assert means["samples_per_second"] == pytest.approx(4 / means["seconds"])
    meter.update({"l1": 7.0})
    assert meter.reset(batch_size=1)["l1"] == 7.0


def test_pauses_do_not_count():
    meter = Meter()
    with meter.paused():
        time.sleep(0.2)
    meter.update({"l1": 1.0})
    assert meter.reset(batch_size=1)["seconds"] < 0.15
