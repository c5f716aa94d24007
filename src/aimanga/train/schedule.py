"""The learning rate as a function of the iteration: nothing to save, nothing to restore."""

import math

from aimanga.train.recipe import TrainRecipe


def rates_at(iteration: int, recipe: TrainRecipe, factor: float = 1.0) -> dict[str, float]:
    """The learning rates of an iteration.

    Args:
        iteration: How many are done: 0 for the first.
        recipe: Rates, warm-up and schedule.
        factor: What they are multiplied with: less than 1 after a training has diverged.

    Returns:
        By the name of the network, `generator` and `discriminator`.
    """
    train = recipe.train
    share = factor
    if iteration < train.warmup:
        share *= (iteration + 1) / (train.warmup + 1)
    elif train.schedule == "cosine":
        way = (iteration - train.warmup) / max(1, train.iterations - train.warmup)
        share *= train.lowest + (1 - train.lowest) * (1 + math.cos(math.pi * min(1.0, way))) / 2
    share *= 0.5 ** sum(iteration >= step for step in train.steps)
    discriminator = train.lr if train.discriminator_lr is None else train.discriminator_lr
    return {"generator": share * train.lr, "discriminator": share * discriminator}
