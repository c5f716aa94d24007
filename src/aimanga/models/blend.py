"""Network interpolation: a network between two others.

Source: X. Wang et al., "ESRGAN", ECCVW 2018, arXiv:1809.00219, section 3.4.
"""

import copy
from pathlib import Path

import torch

from aimanga.errors import ModelError, UsageError
from aimanga.models.catalog import LoadedModel, load_model
from aimanga.models.checkpoint import save_checkpoint
from aimanga.models.networks import Generator


def blend_files(first: str | Path, second: str | Path, alpha: float, path: Path) -> None:
    """Mix two models and write the result as a checkpoint.

    Args:
        first: A model's name or file, as for `load_model`.
        second: Another one with the same network.
        alpha: Share of the second, from 0 to 1.
        path: The `.safetensors` file to make or replace.

    Raises:
        UsageError: `alpha` is out of range, or `path` cannot be written as a checkpoint.
        ModelError: A model cannot be loaded, or their networks differ.
    """
    if path.suffix.lower() != ".safetensors" or not path.parent.is_dir():
        raise UsageError(f"{path}: a blend is written as a .safetensors file, into a folder that exists")
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
    """Mix the weights of two networks: (1 - alpha) of the first, alpha of the second.

    That works where one was trained on from the other, or both from a third: with and without a discriminator, with
    and without noise in what they saw.

    Args:
        first: A model.
        second: A model with the same network.
        alpha: Share of the second, from 0 to 1.

    Returns:
        The new network, in evaluation mode.

    Raises:
        UsageError: `alpha` is out of range.
        ModelError: The networks differ.
    """
    if not 0 <= alpha <= 1:
        raise UsageError(f"--alpha {alpha}: the share of the second model is between 0 and 1")
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
    """What holds for something made of two: an SPDX expression, where it is about licences."""
    if one is None or other is None:
        return None
    return one if one == other else f"{one} AND {other}"
