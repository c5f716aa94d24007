"""Variants of RRDBNet, and their conversion into one another without a change of the output."""

from dataclasses import dataclass

import torch
from torch import Tensor

from aimanga.errors import ModelError
from aimanga.models.rrdbnet import Attention, RRDBNet, Upsampler

# The source rows that each row of a 3x3 kernel reads behind "nearest x2". In the upper of two output rows (phase 0) the
# first tap reads the row above and the other two the row itself; in the lower one (phase 1) the first two read the row
# itself and the third the row below. Zero padding agrees in both. Columns are the same.
_FOOTPRINTS = torch.tensor(
    [
        [[1, 0, 0], [0, 1, 1], [0, 0, 0]],
        [[0, 0, 0], [1, 1, 0], [0, 0, 1]],
    ],
    dtype=torch.float64,
)

# Relative error below which PixelShuffle kernels count as those of one nearest kernel: their own rounding.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Variant:
    """What distinguishes RRDBNets of the same size."""

    attention: Attention
    upsampler: Upsampler


PRESETS: dict[str, Variant] = {
    "realesrgan": Variant("none", "nearest"),
    "aimanga": Variant("pixel", "pixelshuffle"),
}
"""Variants with a name: Real-ESRGAN's network, and this project's."""


def convert(network: RRDBNet, variant: Variant) -> RRDBNet:
    """Convert a network to another variant with the same output.

    From "nearest" to "pixelshuffle" is always possible: for each of the four phases of the output, the taps of the 3x3
    kernel that read the same source pixel are summed. Attention can always be added, as the identity. The ways back
    are possible only if nothing is lost: if the PixelShuffle kernels are still those of one nearest kernel, and the
    attention is still the identity.

    Args:
        network: The network, which is not changed.
        variant: The new variant.

    Returns:
        The new network in evaluation mode, with weights of the same type that share no memory with the old ones.

    Raises:
        ModelError: The variant cannot have the same output: training has used what it lacks.
    """
    state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    if variant.upsampler != network.upsampler:
        change = _shuffled if variant.upsampler == "pixelshuffle" else _unshuffled
        for name in ("conv_up1", "conv_up2"):
            state.update(change(name, state[f"{name}.weight"], state[f"{name}.bias"]))
    if variant.attention != network.attention:
        state = _without_attention(state)
    options = network.options | {"attention": variant.attention, "upsampler": variant.upsampler}
    with torch.device("meta"):
        converted = RRDBNet(**options)  # type: ignore[arg-type]  # the options of a network that exists
    for name, empty in converted.state_dict().items():
        if name not in state:  # new attention
            state[name] = torch.zeros(empty.shape, dtype=state["conv_first.weight"].dtype)
    converted.load_state_dict(state, assign=True)
    return converted.eval()


def _shuffled(name: str, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    """Convert a convolution C to C behind nearest upsampling into one C to 4C before PixelShuffle."""
    footprints = _FOOTPRINTS.to(weight.device)
    phases = torch.einsum("pri,qsj,ocij->opqcrs", footprints, footprints, weight.double())
    features = weight.shape[0]
    return {
        f"{name}.weight": phases.reshape(4 * features, *weight.shape[1:]).to(weight.dtype),
        f"{name}.bias": bias.repeat_interleave(4),
    }


def _unshuffled(name: str, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    """The inverse of `_shuffled`, if there is one."""
    features = weight.shape[0] // 4
    # The linear map from the 9 taps of a nearest kernel to the 36 of the four phases, inverted by least squares.
    taps = torch.einsum("pri,qsj->pqrsij", _FOOTPRINTS, _FOOTPRINTS).reshape(36, 9)
    phases = weight.double().cpu().view(features, 4, -1, 9).transpose(1, 2).reshape(features, -1, 36)
    kernel = phases @ torch.linalg.pinv(taps).T
    lost = max(
        float((kernel @ taps.T - phases).abs().max()) / max(float(phases.abs().max()), 1e-30),
        float((bias.view(features, 4) - bias.view(features, 4)[:, :1]).abs().max()),
    )
    if lost > _ROUNDING:
        raise ModelError(
            f"{name}: this PixelShuffle has a different kernel for each of the four pixels, which nearest upsampling "
            "cannot have; keep pixelshuffle"
        )
    return {
        f"{name}.weight": kernel.view(features, -1, 3, 3).to(weight.device, weight.dtype),
        f"{name}.bias": bias.view(features, 4)[:, 0].clone(),
    }


def _without_attention(state: dict[str, Tensor]) -> dict[str, Tensor]:
    plain = {name: tensor for name, tensor in state.items() if ".attention." not in name}
    used = [name for name, tensor in state.items() if name not in plain and bool(tensor.any())]
    if used:
        raise ModelError(
            f"{used[0]}: the attention is trained, so the output would change without it; keep the attention"
        )
    return plain
