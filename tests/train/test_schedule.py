import math

import pytest

from aimanga.train.recipe import Train, TrainRecipe
from aimanga.train.schedule import learning_rates


def recipe(**train):
    return TrainRecipe(
        data={"sources": [{"path": "x"}]}, losses={"pixel": {}}, train=Train(iterations=100, lr=0.1, **train)
    )


def rates(iterations, **train):
    return [learning_rates(iteration, recipe(**train))["generator"] for iteration in iterations]


def test_without_a_schedule_it_stays():
    assert rates((0, 50, 99)) == [0.1] * 3


def test_it_warms_up_from_nearly_nothing():
    assert rates(range(5), warmup=4) == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])


def test_the_cosine_falls_from_the_rate_to_the_lowest():
    assert rates((0, 50, 100), schedule="cosine", min_lr_ratio=0.2) == pytest.approx([0.1, 0.06, 0.02])
    quarter = 0.1 * (1 + math.cos(math.pi / 4)) / 2
    assert rates((10 + 90 // 4,), schedule="cosine", min_lr_ratio=0, warmup=10) == pytest.approx([quarter], rel=0.02)


def test_steps_halve_it():
    assert rates((9, 10, 19, 20), schedule="multistep", milestones=(10, 20)) == pytest.approx([0.1, 0.05, 0.05, 0.025])


def test_the_discriminator_has_its_own_rate_where_it_is_given_one():
    assert learning_rates(0, recipe()) == {"generator": 0.1, "discriminator": 0.1}
    own = recipe().replaced(discriminator={"rates": {"lr": 0.4, "schedule": "multistep", "milestones": [2]}})
    assert learning_rates(0, own, 0.5) == {"generator": 0.05, "discriminator": 0.2}
    assert learning_rates(2, own) == {"generator": 0.1, "discriminator": 0.2}


def test_the_cosine_can_begin_late():
    held = {"schedule": "cosine", "min_lr_ratio": 0.0, "hold": 0.6}
    assert rates((0, 59, 60, 80, 100), **held) == pytest.approx([0.1, 0.1, 0.1, 0.05, 0])


def test_the_cosine_ends_with_the_hours():
    made = recipe(schedule="cosine", min_lr_ratio=0.0, hours=2.0)
    found = [learning_rates(1, made, seconds=seconds)["generator"] for seconds in (0, 3600, 7200, 9000)]
    assert found == pytest.approx([0.1 * (1 + math.cos(math.pi / 100)) / 2, 0.05, 0, 0], abs=1e-12)
