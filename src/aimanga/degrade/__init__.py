"""Degradation: what happens to photos between the lens and the web, drawn from recipes, repeatable."""

from aimanga.degrade.pairs import PairOptions, make_pairs, plan_pairs, remake, run_pairs
from aimanga.degrade.pipeline import degrade
from aimanga.degrade.recipe import DEFAULT_RECIPE, SHIPPED, Recipe, load_recipe, recipe_path
from aimanga.degrade.steps import Sample, Step, draw

__all__ = [
    "DEFAULT_RECIPE",
    "SHIPPED",
    "PairOptions",
    "Recipe",
    "Sample",
    "Step",
    "degrade",
    "draw",
    "load_recipe",
    "make_pairs",
    "plan_pairs",
    "recipe_path",
    "remake",
    "run_pairs",
]
