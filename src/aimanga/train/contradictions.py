"""Values of a training recipe that are possible one by one, but not together."""

from collections.abc import Iterator

from aimanga.config import Key
from aimanga.train.recipe import TrainRecipe


def contradictions(recipe: TrainRecipe) -> Iterator[tuple[Key, str]]:
    """Find what contradicts itself in a recipe.

    Yields:
        The key of a value, and what is wrong with it.
    """
    active, crop, train = recipe.losses.active, recipe.data.crop, recipe.train
    if train.batch_size % train.accumulate:
        yield ("train", "accumulate"), f"{train.batch_size} does not divide into {train.accumulate} parts"
    if "gan" in active and crop % 8:
        yield ("data", "crop"), f"{crop}: the discriminator takes multiples of 8"
    if "ldl" in active and train.ema.decay == 0:
        yield ("losses", "ldl"), "it compares with the EMA of the weights, whose decay is 0"
