"""The learning rate as a function of the iteration: nothing to save, nothing to restore."""

import math

from aimanga.train.recipe import TrainRecipe


def learning_rates(iteration: int, recipe: TrainRecipe, factor: float = 1.0) -> dict[str, float]:
    """The learning rates of an iteration.

    Args:
        iteration: How many iterations are done: 0 for the first.
        recipe: Learning rates, warm-up and schedule.
        factor: Multiplies them: below 1 after a rollback.

    Returns:
        By the name of the network, `generator` and `discriminator`.
    """
    train = recipe.train
    if iteration < train.warmup:
        factor *= (iteration + 1) / (train.warmup + 1)
    elif train.schedule == "cosine":
        way = (iteration - train.warmup) / max(1, train.iterations - train.warmup)
        factor *= train.min_lr_ratio + (1 - train.min_lr_ratio) * (1 + math.cos(math.pi * min(1.0, way))) / 2
    factor *= 0.5 ** sum(iteration >= milestone for milestone in train.milestones)
    discriminator = train.lr if train.discriminator_lr is None else train.discriminator_lr
    return {"generator": factor * train.lr, "discriminator": factor * discriminator}
