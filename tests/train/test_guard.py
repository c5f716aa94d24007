import pytest

from aimanga.errors import DivergedError
from aimanga.train.guard import Guard


def test_an_explosion_is_noticed():
    guard = Guard()
    for n in range(100):
        guard.check(0.02 + 0.03 * (n % 2))
    guard.check(0.34)
    with pytest.raises(DivergedError, match=r"rose to 0\.6, usual were 0\.05"):
        guard.check(0.6)


def test_before_anything_is_usual_nothing_is_unusual():
    guard = Guard()
    for difference in (0.5, 1e-3, 0.5):
        guard.check(difference)
    assert guard.seen == [0.5, 1e-3, 0.5]


def test_it_goes_on_from_what_was_seen():
    with pytest.raises(DivergedError):
        Guard([0.01] * 100).check(0.2)
    assert len(Guard([0.01] * 300).seen) == 100
