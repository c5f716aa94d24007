"""Which network a set of weights belongs to, told from the names and shapes of its tensors alone."""

import math
import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from aimanga.errors import ModelError
from aimanga.models.checkpoint import CheckpointInfo
from aimanga.models.compact import SRVGGNetCompact
from aimanga.models.discriminator import UNetDiscriminator
from aimanga.models.discriminator_sn import UNetDiscriminatorSN
from aimanga.models.networks import NETWORKS
from aimanga.models.rrdbnet import Attention, RRDBNet


def build_network(state: Mapping[str, Tensor], origin: str, info: CheckpointInfo | None = None) -> nn.Module:
    """Build the network that a state dict is of, with these weights in it.

    Known are those of `NETWORKS`; `RRDBNet` under Real-ESRGAN's names and both older ESRGAN ones. Where the file does
    not tell the network's options, they follow from the tensors.

    Args:
        state: Name to tensor, any floating type.
        origin: Where the tensors come from, for error messages.
        info: What the file says about its network; None where it says nothing.

    Returns:
        The network in float32, in evaluation mode.

    Raises:
        ModelError: The network is not known, or tensors are missing, superfluous or of a wrong shape.
    """
    state = _modern_names(state)
    if info is not None:
        describe = _described_by(info, state, origin)
    else:
        found = next((read for first_tensor, read in _KNOWN.items() if first_tensor in state), None)
        if found is None:
            raise ModelError(
                f"{origin}: this is not a network known here ({', '.join(NETWORKS)}). Found {_inventory(state)}"
            )
        describe = found
    # On the meta device nothing is initialised: faster, and the global random state stays as it was.
    try:
        with torch.device("meta"):
            network = describe(state)
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ModelError(f"{origin}: the tensors do not fit together ({error}). Found {_inventory(state)}") from error
    _check(network, state, origin)
    # Copies: tensors of a file can lie at odd addresses, and some kernels sum up in another order there.
    network.load_state_dict({name: tensor.to(torch.float32, copy=True) for name, tensor in state.items()}, assign=True)
    return network.eval()


def _described_by(
    info: CheckpointInfo, state: Mapping[str, Tensor], origin: str
) -> Callable[[Mapping[str, Tensor]], nn.Module]:
    kind = NETWORKS.get(info.network)
    if kind is None:
        raise ModelError(
            f"{origin}: it says that it is a {info.network}, which is not a network known here ({', '.join(NETWORKS)})"
        )
    # A number that no tensor accounts for would have a network of that size built before it is found out.
    largest = max([len(state), *(size for tensor in state.values() for size in tensor.shape)])
    for name, value in info.options.items():
        if isinstance(value, int) and value > largest:
            raise ModelError(f"{origin}: it says that its network has {name} {value}, which its tensors do not show")
    return lambda state: kind(**info.options)


def _describe_rrdbnet(state: Mapping[str, Tensor]) -> nn.Module:
    features, shuffled = state["conv_first.weight"].shape[:2]
    out_channels = state["conv_last.weight"].shape[0]
    # A pixel-unshuffled input has 4 or 16 times the picture's channels.
    scale = {1: 4, 4: 2, 16: 1}.get(shuffled // out_channels, 0)
    return RRDBNet(
        in_channels=shuffled * scale**2 // 16,
        out_channels=out_channels,
        scale=scale,
        features=features,
        blocks=_count(state, r"body\.(\d+)\."),
        growth=state["body.0.rdb1.conv1.weight"].shape[0],
        attention=next((kind for kind, first in _ATTENTION_TENSORS.items() if first in state), "none"),
        upsampler="pixelshuffle" if state["conv_up1.weight"].shape[0] == 4 * features else "nearest",
    )


def _describe_compact(state: Mapping[str, Tensor]) -> nn.Module:
    features, channels = state["body.0.weight"].shape[:2]
    layers = _count(state, r"body\.(\d+)\.")
    if state["body.1.weight"].shape != (features,):
        raise ValueError("body.1.weight should hold one PReLU slope a feature; other activations are not known")
    shuffled = state[f"body.{layers - 1}.weight"].shape[0]
    return SRVGGNetCompact(
        channels=channels, features=features, convs=(layers - 3) // 2, scale=math.isqrt(shuffled // channels)
    )


def _describe_discriminator(state: Mapping[str, Tensor]) -> nn.Module:
    features, channels = state["conv_first.parametrizations.weight.original"].shape[:2]
    return UNetDiscriminator(in_channels=channels, features=features)


def _describe_discriminator_sn(state: Mapping[str, Tensor]) -> nn.Module:
    features, channels = state["conv0.weight"].shape[:2]
    return UNetDiscriminatorSN(in_channels=channels, features=features)


_ATTENTION_TENSORS: dict[Attention, str] = {
    "pixel": "body.0.attention.per_pixel.weight",
    "channel": "body.0.attention.per_channel.weight",
}

# The tensor that gives a network away, and how its parameters are read off.
_KNOWN: dict[str, Callable[[Mapping[str, Tensor]], nn.Module]] = {
    "conv_first.weight": _describe_rrdbnet,
    "conv1.weight_orig": _describe_discriminator_sn,
    "down1.norm.weight": _describe_discriminator,
    "body.0.weight": _describe_compact,
}


def _check(network: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    expected = network.state_dict()
    kind = type(network).__name__
    problems = [
        *(f"{name} is missing" for name in expected if name not in state),
        *(f"{name} does not belong there" for name in state if name not in expected),
        *(
            f"{name} is {tuple(tensor.shape)}, expected {tuple(expected[name].shape)}"
            for name, tensor in state.items()
            if name in expected and tensor.shape != expected[name].shape
        ),
    ]
    if problems:
        listed = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        raise ModelError(f"{origin}: this looks like {kind}, but {listed}")


def _modern_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Translate the names of the two older ESRGAN releases into Real-ESRGAN's."""
    if "model.0.weight" in state:
        return {_from_sequential(name, state): tensor for name, tensor in state.items()}
    if any(name.startswith("RRDB_trunk.") for name in state):
        return {_from_trunk(name): tensor for name, tensor in state.items()}
    return dict(state)


def _from_trunk(name: str) -> str:
    """ESRGAN of 2019: `RRDB_trunk.0.RDB1.conv1.weight`, `trunk_conv`, `upconv1`, `HRconv`."""
    name = re.sub(r"^RRDB_trunk\.(\d+)\.RDB(\d)\.", r"body.\1.rdb\2.", name)
    for old, new in (("trunk_conv.", "conv_body."), ("upconv", "conv_up"), ("HRconv.", "conv_hr.")):
        name = re.sub(f"^{re.escape(old)}", new, name)
    return name


def _from_sequential(name: str, state: Mapping[str, Tensor]) -> str:
    """ESRGAN of 2018: everything in one Sequential, the position says which convolution it is."""
    blocks = _count(state, r"model\.1\.sub\.(\d+)\.RDB")
    name = re.sub(r"^model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.", r"body.\1.rdb\2.conv\3.", name)
    positions = {
        "model.0.": "conv_first.",
        f"model.1.sub.{blocks}.": "conv_body.",
        "model.3.": "conv_up1.",
        "model.6.": "conv_up2.",
        "model.8.": "conv_hr.",
        "model.10.": "conv_last.",
    }
    for old, new in positions.items():
        if name.startswith(old):
            return new + name[len(old) :]
    return name


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    """One more than the largest number that `pattern` captures at the beginning of a name; 0 if none does.

    Raises ValueError where that is more than there are tensors: the number is not to be believed.
    """
    found = (re.match(pattern, name) for name in state)
    count = max((int(match[1]) + 1 for match in found if match), default=0)
    if count > len(state):
        raise ValueError(f"{count} layers in {len(state)} tensors")
    return count


def _inventory(state: Mapping[str, Tensor]) -> str:
    shown = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in list(state.items())[:6])
    return f"{len(state)} tensors: {shown}{', ...' if len(state) > 6 else ''}"
