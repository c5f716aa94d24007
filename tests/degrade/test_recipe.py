import re

import pytest
from pydantic import BaseModel

from aimanga.degrade import DEGRADATIONS, Recipe, degradation_file, load_degradation
from aimanga.degrade.recipe import Blur, Compression, Final, Noise, Resize, Sharpen, Stage
from aimanga.errors import UsageError
from tests.conftest import ROOT

PARTS = (Recipe, Stage, Blur, Resize, Noise, Sharpen, Compression, Final)


def test_the_list_of_recipes_is_the_folder():
    files = {path.name for path in (ROOT / "recipes").glob("degrade-*.toml")}
    assert files == {f"degrade-{name}.toml" for name in DEGRADATIONS}
    for name in DEGRADATIONS:
        assert degradation_file(name) == ROOT / "recipes" / f"degrade-{name}.toml"
        assert load_degradation(name).scale == 4


def test_the_published_values_of_real_esrgan():
    """From the paper (arXiv:2107.10833) and the project's public configuration."""
    recipe = load_degradation("realesrgan")
    first, second = recipe.stages
    kinds = {
        "isotropic": 0.45, "anisotropic": 0.25, "generalized_isotropic": 0.12, "generalized_anisotropic": 0.03,
        "plateau_isotropic": 0.12, "plateau_anisotropic": 0.03,
    }  # fmt: skip
    for stage in recipe.stages:
        assert (stage.blur.size, stage.blur.sinc, stage.blur.kinds) == ((7, 21), 0.1, kinds)
        assert (stage.blur.generalized_beta, stage.blur.plateau_beta) == ((0.5, 4), (1, 2))
        assert (stage.noise.kinds, stage.noise.gray) == ({"gaussian": 0.5, "poisson": 0.5}, 0.4)
    assert (first.blur.probability, first.blur.sigma) == (1, (0.2, 3))
    assert (second.blur.probability, second.blur.sigma) == (0.8, (0.2, 1.5))
    assert (first.resize.directions, first.resize.factor) == ({"up": 0.2, "down": 0.7, "keep": 0.1}, (0.15, 1.5))
    assert (second.resize.directions, second.resize.factor) == ({"up": 0.3, "down": 0.4, "keep": 0.3}, (0.3, 1.2))
    assert (first.noise.gaussian_sigma, first.noise.poisson_scale) == ((1, 30), (0.05, 3))
    assert (second.noise.gaussian_sigma, second.noise.poisson_scale) == ((1, 25), (0.05, 2.5))
    assert (first.compression.jpeg_quality, recipe.final.compression.jpeg_quality) == ((30, 95), (30, 95))
    assert (recipe.final.sinc, recipe.final.resize_first, second.compression) == (0.8, 0.5, None)


def test_light_is_milder_than_real_esrgan():
    """Its values are this project's own: no publication to compare with, but an order."""
    light, (strong, _) = load_degradation("light"), load_degradation("realesrgan").stages
    (stage,) = light.stages
    assert stage.blur.sigma[1] < strong.blur.sigma[1] and stage.blur.probability < strong.blur.probability
    assert stage.noise.gaussian_sigma[1] < strong.noise.gaussian_sigma[1]
    assert stage.noise.poisson_scale[1] < strong.noise.poisson_scale[1]
    assert stage.noise.probability < strong.noise.probability
    assert light.final.compression.jpeg_quality[0] > strong.compression.jpeg_quality[0]
    assert (stage.resize, stage.sharpen, stage.compression) == (None, None, None)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_field_is_described(part):
    assert issubclass(part, BaseModel) and part.__doc__
    for name, field in part.model_fields.items():
        assert field.description, name


@pytest.mark.parametrize(
    ("part", "key", "value", "message"),
    [
        ("blur", "kinds", {"isotropic": 0.4, "disk": 0.5}, "isotropic 0.4, disk 0.5 are 0.9, not 1"),
        ("blur", "kinds", {"isotropic": 1.5, "disk": -0.5}, "less than or equal to 1"),
        ("blur", "kinds", {"box": 1.0}, "box"),
        ("blur", "size", [8, 20], "odd, the smaller one first, not 8 and 20"),
        ("blur", "sigma", [0, 3], "the lower end 0 is not above 0"),
        ("blur", "sigma", [3, 1], "the lower end 3 is above the upper end 1"),
        ("blur", "sigmas", [1, 3], "stages.0.blur.sigmas: there is no such key"),
        ("blur", "probability", 1.5, "stages.0.blur.probability"),
        ("resize", "factor", [0.2, 0.8], "meet at 1"),
        ("resize", "directions", {"up": 0.5}, "are 0.5, not 1"),
        ("noise", "kinds", {"gaussian": 0.5, "poisson": 0.6}, "are 1.1, not 1"),
        ("noise", "gaussian_sigma", [30, 1], "above the upper end"),
        ("noise", "gaussian_sigma", [-5, 1], "stages.0.noise.gaussian_sigma"),
        ("compression", "jpeg_quality", [0, 95], "0 to 95 is not within 1 to 100"),
        ("compression", "jpeg_quality", [95, 30], "95 to 30 is not within"),
        ("compression", "codecs", {"gif": 1.0}, "gif"),
    ],
)
def test_a_wrong_recipe_is_refused_with_the_place_and_the_reason(tmp_path, part, key, value, message):
    import tomlkit

    content = load_degradation("realesrgan").model_dump(mode="json", exclude_none=True)
    content["stages"][0][part][key] = value
    path = tmp_path / "mine.toml"
    path.write_text(tomlkit.dumps(content))
    with pytest.raises(UsageError) as caught:
        load_degradation(path)
    assert re.match(rf"{re.escape(str(path))}: line \d+, stages\.0\.{part}", str(caught.value))
    assert message in str(caught.value)
