"""Values of a training recipe that are possible one by one, but not together."""

from collections.abc import Iterator

from aimanga.config import Key
from aimanga.train.recipe import Discriminator, TrainRecipe


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
    outer = recipe.data.read_crop
    if outer < crop:
        yield ("data", "outer_crop"), f"{outer}: it is smaller than the crop of {crop}"
    if recipe.discriminator.first and "gan" not in active:
        yield ("discriminator", "first"), "there is no discriminator without a weight for losses.gan"
    if "feature_matching" in active and "gan" not in active:
        yield ("losses", "feature_matching"), "it compares features of the discriminator, which needs losses.gan"
    if recipe.discriminator.eps != Discriminator().eps and recipe.discriminator.kind != "multiscale":
        yield ("discriminator", "eps"), "only the multiscale discriminator has instance normalization"
    if recipe.model.freeze and recipe.stored is None:
        yield ("model", "freeze"), "features of frozen blocks are kept, which needs the table [stored]"
