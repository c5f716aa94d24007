"""Train a network on your own photos."""

from aimanga.train.explain import Cost, Explanation, Value, explain_training
from aimanga.train.loop import TrainResult, train
from aimanga.train.reading import TRAIN_RECIPES, RecipeFile, load_train_recipe
from aimanga.train.recipe import TrainRecipe
from aimanga.train.run import TrainWatcher

__all__ = [
    "TRAIN_RECIPES",
    "Cost",
    "Explanation",
    "RecipeFile",
    "TrainRecipe",
    "TrainResult",
    "TrainWatcher",
    "Value",
    "explain_training",
    "load_train_recipe",
    "train",
]
