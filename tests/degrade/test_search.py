import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimanga.degrade import DEGRADATIONS, Recipe, load_degradation
from aimanga.degrade.search import SearchSpace

SPACES = {name: SearchSpace(load_degradation(name)) for name in DEGRADATIONS}


def numbers_of(recipe):
    """Every number in a recipe, by its path."""
    found = {}

    def walk(value, path):
        if isinstance(value, dict | list | tuple):
            for key, part in value.items() if isinstance(value, dict) else enumerate(value):
                walk(part, (*path, key))
        elif isinstance(value, int | float):
            found[path] = float(value)

    walk(recipe.model_dump(exclude_none=True), ())
    return found


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_the_start_stands_for_the_recipe_itself(name):
    space = SPACES[name]
    assert len(space.names) == len(set(space.names)) == len(space.start)
    assert all(0 <= number <= 1 for number in space.start)
    again, recipe = (numbers_of(r) for r in (space.recipe(space.start), load_degradation(name)))
    assert again.keys() == recipe.keys()
    for path, value in recipe.items():
        assert again[path] == pytest.approx(value, rel=0.01, abs=0.002), path


@pytest.mark.parametrize("name", DEGRADATIONS)
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_all_numbers_stand_for_valid_recipes_with_the_same_parts(name, data):
    space = SPACES[name]
    numbers = data.draw(st.lists(st.floats(0, 1), min_size=len(space.start), max_size=len(space.start)))
    recipe = space.recipe(numbers)
    assert isinstance(recipe, Recipe)
    assert numbers_of(recipe).keys() == numbers_of(load_degradation(name)).keys()


def test_what_is_searched_of_real_esrgan():
    names = {name.rpartition(" ")[0] for name in SPACES["realesrgan"].names}
    stage = {
        "blur.probability", "blur.sinc", "blur.sigma", "resize.directions", "resize.factor", "noise.probability",
        "noise.kinds", "noise.gaussian_sigma", "noise.poisson_scale", "noise.gray",
    }  # fmt: skip
    compression = {"compression.probability", "compression.jpeg_quality", "compression.subsampled"}
    assert names == {
        "sharpen_source", "final.sinc", "final.modes", "final.resize_first",
        *(f"stages.{n}.{part}" for n in (0, 1) for part in stage),
        *(f"stages.0.{part}" for part in compression), *(f"final.{part}" for part in compression),
    }  # fmt: skip
