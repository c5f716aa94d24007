from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimanga.train.sampling import Sampler
from aimanga.train.sources import Item, PictureSet


def picture_set(name, count, weight=1.0):
    items = tuple(Item(Path(f"{name}{number}"), None, None, "") for number in range(count))
    return PictureSet(items, weight, name)


def names(sampler, start, end):
    return [sampler.item(number).file.name for number in range(start, end)]


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(0, 2**40), st.integers(0, 5))
def test_of_one_source_every_picture_comes_once_an_epoch(count, seed, epoch):
    sampler = Sampler([picture_set("a", count)], seed)
    assert sampler.epoch == count
    assert sorted(names(sampler, epoch * count, (epoch + 1) * count)) == [f"a{n}" for n in range(count)]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 7), st.sampled_from([0.5, 1.0, 2.0, 5.0])), min_size=1, max_size=4),
    st.integers(0, 300),
    st.integers(0, 99),
)
def test_a_sample_depends_on_its_number_alone(shape, start, seed):
    sets = [picture_set(str(number), *found) for number, found in enumerate(shape)]
    whole = names(Sampler(sets, seed), 0, start + 40)
    assert names(Sampler(sets, seed), start, start + 40) == whole[start:]


def test_sources_are_drawn_from_by_their_weights():
    sampler = Sampler([picture_set("a", 100, 1.0), picture_set("b", 10, 3.0), picture_set("c", 1, 0.5)], 0)
    seen = Counter(name[0] for name in names(sampler, 0, 10 * sampler.epoch))
    assert seen["b"] == 3 * seen["a"]
    assert seen["c"] == pytest.approx(0.5 * seen["a"], rel=0.01)
    # And near it in every part of an epoch.
    some = Counter(name[0] for name in names(sampler, 200, 300))
    assert some["b"] / some["a"] == pytest.approx(3, rel=0.5)


def test_within_a_source_all_pictures_come_equally_often_whatever_the_weight():
    sampler = Sampler([picture_set("a", 20), picture_set("b", 7, 1.0)], 3)
    seen = Counter(names(sampler, 0, 7 * sampler.epoch))
    assert {seen[f"b{n}"] for n in range(7)} == {20}
    assert {seen[f"a{n}"] for n in range(20)} == {7}


def test_each_epoch_has_an_order_of_its_own():
    sampler = Sampler([picture_set("a", 30)], 0)
    assert len({tuple(names(sampler, 30 * n, 30 * (n + 1))) for n in range(5)}) == 5
    assert names(sampler, 0, 30) != names(Sampler([picture_set("a", 30)], 1), 0, 30)
