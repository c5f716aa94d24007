"""Recognise the network that a state dict belongs to, from the names and shapes of its tensors."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from aimanga.errors import ModelError
from aimanga.models.architecture import Architecture, State
from aimanga.models.checkpoint import CheckpointInfo
from aimanga.models.networks import NETWORKS
from aimanga.tensor_files import load_weights
from aimanga.text import counted


def build_network(state: Mapping[str, Tensor], origin: str, info: CheckpointInfo | None = None) -> nn.Module:
    """Build the network of a state dict and load the weights into it.

    The networks are those of `NETWORKS`, under all names that their files know. Without `info` the network and its
    options are inferred from the tensors.

    Args:
        state: Name to tensor, any floating type.
        origin: Where the tensors come from, for error messages.
        info: What the file says about its network; None if it says nothing.

    Returns:
        The network in float32, in evaluation mode.

    Raises:
        ModelError: The network is unknown, or tensors are missing, unknown or of a wrong shape.
    """
    try:
        architecture = _recognised(state, origin) if info is None else _described(info, state, origin)
        state = architecture.current_names(state)
        # Nothing is initialised on the meta device: that is faster, and leaves the global random state alone.
        with torch.device("meta"):
            network = architecture.network(**(architecture.options(state) if info is None else info.options))
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ModelError(f"{origin}: the tensors do not fit together ({error}). Found {_inventory(state)}") from error
    load_weights(network, state, f"{origin}: this looks like {type(network).__name__}, but does not fit")
    return network.eval()


def _recognised(state: State, origin: str) -> Architecture:
    for architecture in NETWORKS.values():
        if architecture.landmark in architecture.current_names(state):
            return architecture
    raise ModelError(f"{origin}: this is not a supported network ({', '.join(NETWORKS)}). Found {_inventory(state)}")


def _described(info: CheckpointInfo, state: State, origin: str) -> Architecture:
    architecture = NETWORKS.get(info.network)
    if architecture is None:
        raise ModelError(f"{origin}: its network is a {info.network}, which is not supported ({', '.join(NETWORKS)})")
    # A network is built before its tensors are compared: no number may be larger than the tensors can account for.
    largest = max([len(state), *(size for tensor in state.values() for size in tensor.shape)])
    for name, value in info.options.items():
        if isinstance(value, int) and value > largest:
            raise ModelError(f"{origin}: its network has {name} {value}, which its tensors do not show")
    return architecture


def _inventory(state: State) -> str:
    first = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in list(state.items())[:6])
    return f"{counted(len(state), 'tensor')}: {first}{', ...' if len(state) > 6 else ''}"
