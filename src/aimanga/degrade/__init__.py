"""Degradation: what happens to photos between the lens and the web, drawn from recipes, repeatable."""

from aimanga.degrade.pipeline import degrade
from aimanga.degrade.recipe import Recipe, load_recipe
from aimanga.degrade.steps import Sample, Step, draw

__all__ = ["Recipe", "Sample", "Step", "degrade", "draw", "load_recipe"]
