import pytest

from aimanga.metrics.ntire import PARTS, perceptual_score


def test_a_case_by_hand():
    scores = {"lpips": 0.2, "dists": 0.1, "clip_iqa": 0.7, "maniqa": 0.4, "musiq": 65.0, "niqe": 4.0}
    assert set(scores) == set(PARTS)
    assert perceptual_score(scores) == pytest.approx(0.8 + 0.9 + 0.7 + 0.4 + 0.65 + 0.6)


def test_niqe_takes_nothing_away():
    scores = dict.fromkeys(PARTS, 0.0)
    assert perceptual_score(scores | {"niqe": 10.0}) == perceptual_score(scores | {"niqe": 55.0}) == 2.0
