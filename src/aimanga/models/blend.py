"""Network interpolation: the weighted mean of the weights of two networks.

Source: X. Wang et al., "ESRGAN", ECCVW 2018, arXiv:1809.00219, section 3.4.
"""

import copy
from pathlib import Path

import torch

from aimanga.errors import ModelError, UsageError
from aimanga.models.catalog import LoadedModel, load_model
from aimanga.models.checkpoint import save_checkpoint
from aimanga.models.networks import Generator
from aimanga.models.options import BlendOptions
from aimanga.options import with_options


@with_options
def blend_files(
    first: str | Path, second: str | Path, output: str | Path, options: BlendOptions = BlendOptions()
) -> None:
    """Blend two models and write the result as a checkpoint.

    Args:
        first: The name or the weight file of a model.
        second: Another model with the same network.
        output: The `.safetensors` file, which is replaced if it exists.
        options: See `BlendOptions`; its fields can be given as keywords.

    Raises:
        UsageError: An option is out of range, or `output` is not a `.safetensors` file in a folder that exists.
        ModelError: A model cannot be loaded, or the networks differ.
    """
    path, alpha = Path(output), options.alpha
    if path.suffix.lower() != ".safetensors" or not path.parent.is_dir():
        raise UsageError(f"{path}: a blend is written to a .safetensors file in a folder that exists")
    one, other = load_model(first), load_model(second)
    network = blend(one, other, alpha)
    save_checkpoint(
        path,
        network,
        scale=one.scale,
        license=_both(one.license, other.license),
        training_data=_both(one.training_data, other.training_data),
        parent=f"{1 - alpha:g} {one.name} (sha256 {one.sha256}) + {alpha:g} {other.name} (sha256 {other.sha256})",
    )


def blend(first: LoadedModel, second: LoadedModel, alpha: float) -> Generator:
    """Interpolate the weights of two networks: (1 - alpha) first + alpha second.

    This works if one was fine-tuned from the other, or both from a third: with and without a discriminator, say, or
    with and without noise in the training set.

    Args:
        first: A model.
        second: A model with the same network.
        alpha: Weight of the second model, from 0 to 1.

    Returns:
        A new network in evaluation mode.

    Raises:
        ModelError: The networks differ.
    """
    kinds = [type(model.network).__name__ for model in (first, second)]
    if kinds[0] != kinds[1]:
        raise ModelError(f"{first.name} is a {kinds[0]}, {second.name} a {kinds[1]}: they have no weights in common")
    ours, theirs = first.network.options, second.network.options
    differing = [f"{name} {ours[name]} and {theirs[name]}" for name in ours if ours[name] != theirs[name]]
    if differing:
        raise ModelError(f"{first.name} and {second.name} are different networks: {', '.join(differing)}")
    blended = copy.deepcopy(first.network)
    other = second.network.state_dict()
    with torch.no_grad():
        for name, tensor in blended.state_dict().items():
            tensor.lerp_(other[name], alpha)
    return blended


def _both(one: str | None, other: str | None) -> str | None:
    """The metadata of two models combined: for licences an SPDX expression."""
    if one is None or other is None:
        return None
    return one if one == other else f"{one} AND {other}"
