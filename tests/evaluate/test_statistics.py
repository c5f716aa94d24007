import math

import numpy as np
import pytest
from scipy import stats

from aimanga.evaluate.statistics import LEVEL, Interval, mean_interval


def test_of_normal_scores_it_is_near_students():
    scores = np.random.default_rng(1).normal(5, 2, 200)
    found = mean_interval(scores)
    expected = stats.t.interval(LEVEL, len(scores) - 1, scores.mean(), stats.sem(scores))
    assert (found.low, found.high) == pytest.approx(expected, abs=0.05)


def test_so_many_of_them_hold_the_true_mean():
    rng = np.random.default_rng(2)
    found = [mean_interval(rng.exponential(1.0, 40)) for _ in range(200)]
    held = sum(interval.low <= 1 <= interval.high for interval in found)
    assert 0.88 * 200 <= held <= 0.99 * 200  # of skewed scores a little fewer than 95 %


def test_of_skewed_scores_it_is_not_symmetric():
    scores = np.random.default_rng(3).exponential(1.0, 50)
    found = mean_interval(scores)
    assert found.high - scores.mean() > scores.mean() - found.low


def test_the_same_scores_give_the_same_interval():
    scores = list(np.random.default_rng(4).normal(size=30))
    assert mean_interval(scores) == mean_interval(scores)


def test_what_tells_too_little():
    assert mean_interval([1.0, 2.0, 3.0, 4.0]) is None
    assert mean_interval([]) is None
    assert mean_interval([1.0, 2.0, math.inf, 4.0, 5.0]) is None
    assert mean_interval([2.5] * 5) == Interval(2.5, 2.5)
