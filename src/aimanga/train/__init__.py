"""Train a network on the user's own photos."""

from aimanga.train.explain import Consequences, Value, consequences, values
from aimanga.train.loop import TrainResult, train
from aimanga.train.recipe import SHIPPED, RecipeFile, TrainRecipe, load_recipe, recipe_path
from aimanga.train.run import TrainWatcher

__all__ = [
    "SHIPPED",
    "Consequences",
    "RecipeFile",
    "TrainRecipe",
    "TrainResult",
    "TrainWatcher",
    "Value",
    "consequences",
    "load_recipe",
    "recipe_path",
    "train",
    "values",
]
