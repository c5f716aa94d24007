import time

import pytest

from aimanga.train.tally import Tally


def test_it_gives_means_and_begins_anew():
    tally = Tally()
    for value in (1.0, 3.0):
        tally.add({"difference": value, "pixel": 2 * value, "gradient generator": 10 * value})
    taken = tally.taken(batch=4)
    assert (taken["difference"], taken["losses"], taken["gradients"]) == (2.0, {"pixel": 4.0}, {"generator": 20.0})
    assert taken["samples_per_second"] == pytest.approx(4 / taken["seconds"])
    tally.add({"difference": 7.0})
    assert tally.taken(batch=1)["difference"] == 7.0


def test_pauses_do_not_count():
    tally = Tally()
    with tally.paused():
        time.sleep(0.2)
    tally.add({"difference": 1.0})
    assert tally.taken(batch=1)["seconds"] < 0.15
