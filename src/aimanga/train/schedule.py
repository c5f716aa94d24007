"""The learning rate as a function of the iteration and of the time: nothing to save, nothing to restore."""

import math

from aimanga.train.recipe import Rates, TrainRecipe


def learning_rates(iteration: int, recipe: TrainRecipe, factor: float = 1.0, seconds: float = 0.0) -> dict[str, float]:
    """The learning rates of an iteration.

    Args:
        iteration: How many iterations are done: 0 for the first.
        recipe: Learning rates, warm-up and schedules.
        factor: Multiplies them: below 1 after a rollback.
        seconds: How long the training has taken.

    Returns:
        By the name of the network, `generator` and `discriminator`.
    """
    way = share_done(iteration, recipe, seconds)
    rates = {"generator": recipe.train, "discriminator": recipe.discriminator.rates or recipe.train}
    return {name: factor * _rate(found, iteration, way, recipe.train.iterations) for name, found in rates.items()}


def share_done(iteration: int, recipe: TrainRecipe, seconds: float = 0.0) -> float:
    """How much of a training is done, from 0 to 1: of its iterations or of its hours, whichever is more."""
    hours = recipe.train.hours
    return min(1.0, max(iteration / recipe.train.iterations, seconds / (3600 * hours) if hours else 0.0))


def _rate(rates: Rates, iteration: int, way: float, iterations: int) -> float:
    if iteration < rates.warmup:
        return rates.lr * (iteration + 1) / (rates.warmup + 1)
    factor = 0.5 ** sum(iteration >= milestone for milestone in rates.milestones)
    if rates.schedule == "cosine":
        start = max(rates.hold, min(1.0, rates.warmup / iterations))
        part = max(0.0, way - start) / (1 - start) if start < 1 else 1.0
        factor *= rates.min_lr_ratio + (1 - rates.min_lr_ratio) * (1 + math.cos(math.pi * part)) / 2
    return rates.lr * factor
