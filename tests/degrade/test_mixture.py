from collections import Counter

import pytest

from aimanga.config import write_toml
from aimanga.degrade import draw, load_degradation, load_degradations
from aimanga.errors import UsageError


def test_one_recipe_draws_as_by_itself():
    mixture = load_degradations("realesrgan")
    assert mixture.scale == 4
    assert [mixture.draw(64, 64, seed) for seed in range(5)] == [
        draw(load_degradation("realesrgan"), 64, 64, seed) for seed in range(5)
    ]


def test_each_recipe_has_its_share():
    mixture = load_degradations({"bicubic": 3, "realesrgan": 1})
    bicubic = draw(load_degradation("bicubic"), 64, 64, 0).steps
    counts = Counter(mixture.draw(64, 64, seed).steps == bicubic for seed in range(800))
    assert counts[True] == pytest.approx(600, abs=50)
    assert mixture.draw(64, 64, 7) == mixture.draw(64, 64, 7)


def test_all_that_is_wrong_is_named(tmp_path):
    write_toml(load_degradation("bicubic").replaced(scale=2), tmp_path / "two.toml")
    with pytest.raises(UsageError, match=r"gone\.toml.*of different scales: bicubic 4, .*two\.toml 2"):
        load_degradations({"gone.toml": 1, "bicubic": 1, str(tmp_path / "two.toml"): 1})
