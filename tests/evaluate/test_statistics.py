import math

import numpy as np
import pytest
from scipy import stats

from aimanga.evaluate.statistics import LEVEL, Interval, holm, mean_interval, paired_p


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


def test_holms_correction_of_its_published_example():
    """Of Wikipedia's article on the method: of four probabilities the first and the fourth stay below 0.05."""
    found = holm({1: 0.01, 2: 0.04, 3: 0.03, 4: 0.005})
    assert found == pytest.approx({4: 0.02, 1: 0.03, 3: 0.06, 2: 0.06})
    assert list(found) == [1, 2, 3, 4]
    assert holm({}) == {}
    assert holm({1: 0.9, 2: 0.8}) == {1: 1.0, 2: 1.0}


def test_of_equally_good_methods_few_differ():
    rng = np.random.default_rng(4)
    found = [paired_p(rng.normal(0, 1, 12), rng.normal(0, 1, 12)) for _ in range(400)]
    assert 0.02 * 400 <= sum(p < 0.05 for p in found) <= 0.08 * 400


def test_the_same_difference_on_every_picture_is_no_chance():
    scores = np.random.default_rng(5).normal(0, 1, 10)
    assert paired_p(scores, scores + 1) == pytest.approx(2 / 2**10)
    assert paired_p(scores + 1, scores) == paired_p(scores, scores + 1)
    assert paired_p(scores, scores) == 1.0
    assert paired_p(scores[:5], scores[:5] + 1) is None
