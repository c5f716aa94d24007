"""A hidden recipe is found again, on pictures that anybody can make; benchmarks/fit.py does it with photos."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from aimanga.degrade import Recipe, fit_recipe, make_pairs
from aimanga.degrade.fit import PATCH
from aimanga.errors import UsageError

HIDDEN_SIGMA = (22.0, 28.0)


def noisy(sigma):
    """A recipe of one step: noise, in full resolution."""
    noise = {"kinds": {"gaussian": 1.0}, "gaussian_sigma": sigma, "gray": 0.0}
    return Recipe.model_validate(
        {"description": "Noise.", "scale": 1, "stages": [{"noise": noise}], "final": {"modes": {"area": 1.0}}}
    )


def dead_leaves(seed, side):
    """Disks that occlude one another, of all sizes: nearly the statistics of photos (Lee, Mumford, Huang 2001)."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (side, side))
    draw = ImageDraw.Draw(picture)
    for _ in range(600):
        radius = 3 / np.sqrt(1 - rng.random() * (1 - (6 / side) ** 2))  # with a density of the third power
        x, y = rng.uniform(0, side, 2)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), tuple(rng.integers(0, 256, 3).tolist()))
    return picture


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("leaves")
    for n in range(24):
        path = folder / ("hq", "good")[n % 2] / f"{n}.png"
        path.parent.mkdir(exist_ok=True)
        dead_leaves(n, 2 * PATCH).save(path)
    make_pairs(folder / "good", folder / "pairs", recipe=noisy(HIDDEN_SIGMA), seed=1)
    return folder


def fitted(pictures, **options):
    options = {"recipe": noisy((1.0, 2.0)), "samples": 8, "trials": 6, **options}
    return fit_recipe(pictures / "hq", pictures / "pairs" / "LR", **options)


@pytest.mark.slow
def test_a_hidden_recipe_is_found_again(pictures):
    trials = []
    result = fitted(pictures, seed=1, on_trial=lambda trial, best: trials.append((trial, best)))
    assert [trial for trial, _ in trials] == list(range(1, 7))
    assert [best for _, best in trials] == sorted((best for _, best in trials), reverse=True)
    assert result.pictures == (12, 12) and result.skipped == ()
    assert result.after < result.before / 3
    found = np.mean(result.recipe.stages[0].noise.gaussian_sigma)
    assert HIDDEN_SIGMA[0] / 2 < found < HIDDEN_SIGMA[1] * 2  # and not 1 to 2, where it began


@pytest.mark.slow
def test_the_same_seed_finds_the_same_recipe(pictures):
    found = [fitted(pictures, trials=3, samples=2, seed=1).recipe for _ in range(2)]
    assert found[0] == found[1] and found[0].stages != noisy((1.0, 2.0)).stages


def test_too_few_and_too_small_pictures_are_refused_with_their_reasons(tmp_path):
    for folder, side, count in (("hq", 256, 6), ("few", 256, 5), ("small", 60, 6)):
        (tmp_path / folder).mkdir()
        for n in range(count):
            Image.new("RGB", (side, side)).save(tmp_path / folder / f"{n}.png")
    (tmp_path / "few" / "broken.png").write_text("text")
    few = r"few: 5 usable pictures, and at least 6 are needed; .*broken.png: cannot be read"
    with pytest.raises(UsageError, match=few):
        fit_recipe(tmp_path / "few", tmp_path / "hq", samples=8)
    with pytest.raises(UsageError, match=r"small: 0 usable pictures.*60 x 60 is smaller than 64 x 64"):
        fit_recipe(tmp_path / "hq", tmp_path / "small", samples=8)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no pictures found"):
        fit_recipe(tmp_path / "hq", tmp_path / "empty", samples=8)
    with pytest.raises(UsageError, match="--trials 0: .*; --samples 1: "):
        fit_recipe(tmp_path / "hq", tmp_path / "hq", trials=0, samples=1)
    with pytest.raises(UsageError, match="a recipe is a .toml file"):
        fit_recipe(tmp_path / "hq", tmp_path / "hq", tmp_path / "mine.txt")
