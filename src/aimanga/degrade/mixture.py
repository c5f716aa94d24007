"""A mixture of recipes: each picture is degraded by one of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from aimanga.degrade.recipe import Recipe, load_degradation
from aimanga.degrade.steps import Sample, draw
from aimanga.errors import UsageError
from aimanga.hashing import seed_of
from aimanga.problems import Problems


@dataclass(frozen=True)
class DegradationMixture:
    """Recipes of one scale, and how often each of them is used.

    Attributes:
        recipes: The recipes.
        shares: How often, in proportion.
    """

    recipes: tuple[Recipe, ...]
    shares: tuple[float, ...]

    @property
    def scale(self) -> int:
        """The scale factor of the recipes."""
        return self.recipes[0].scale

    def draw(self, height: int, width: int, seed: int) -> Sample:
        """Draw the degradation of a picture: as `draw` does by the recipe that the seed chooses."""
        recipe = Random(seed_of(seed, "", "recipe")).choices(self.recipes, self.shares)[0]
        return draw(recipe, height, width, seed)


def load_degradations(recipes: str | Path | Mapping[str, float]) -> DegradationMixture:
    """Read the recipes of a mixture.

    Args:
        recipes: A recipe as for `load_degradation`, or several of them with their shares: `{"aimanga": 2, "light": 1}`.

    Raises:
        UsageError: A recipe is missing or wrong, or they are of different scales; the message names all that is wrong.
    """
    shares = recipes if isinstance(recipes, Mapping) else {str(recipes): 1.0}
    found: dict[str, Recipe] = {}
    problems = Problems()
    for name in shares:
        with problems.noting("", UsageError):
            found[name] = load_degradation(name)
    if len({recipe.scale for recipe in found.values()}) > 1:
        problems.add(f"of different scales: {', '.join(f'{name} {recipe.scale}' for name, recipe in found.items())}")
    problems.refuse()
    return DegradationMixture(tuple(found.values()), tuple(shares.values()))
