import pytest

from aimanga.errors import DivergedError
from aimanga.train.divergence import DivergenceCheck


def test_an_explosion_is_noticed():
    divergence = DivergenceCheck()
    for n in range(100):
        divergence.check(0.02 + 0.03 * (n % 2))
    divergence.check(0.34)
    with pytest.raises(DivergedError, match=r"rose to 0\.6, its median was 0\.05"):
        divergence.check(0.6)


def test_before_anything_is_usual_nothing_is_unusual():
    divergence = DivergenceCheck()
    for l1 in (0.5, 1e-3, 0.5):
        divergence.check(l1)
    assert divergence.recent == [0.5, 1e-3, 0.5]


def test_it_goes_on_from_what_was_seen():
    with pytest.raises(DivergedError):
        DivergenceCheck([0.01] * 100).check(0.2)
    assert len(DivergenceCheck([0.01] * 300).recent) == 100
