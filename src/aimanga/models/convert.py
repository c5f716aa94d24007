"""Turn an RRDBNet into another variant of itself without a change of what it gives."""

from dataclasses import dataclass

import torch
from torch import Tensor

from aimanga.errors import ModelError
from aimanga.models.rrdbnet import Attention, RRDBNet, Upsampler

# A row of a 3x3 kernel behind "nearest x2" sees these rows of the source: of the upper row of two (phase 0) the first
# tap sees the row above, the other two the row itself; of the lower row (phase 1) the first two see the row itself, the
# third one the row below. Zero padding agrees: what lies above the border is zero in both. Columns are the same.
_FOOTPRINTS = torch.tensor(
    [
        [[1, 0, 0], [0, 1, 1], [0, 0, 0]],
        [[0, 0, 0], [1, 1, 0], [0, 0, 1]],
    ],
    dtype=torch.float64,
)

# Kernels that were made of one nearest kernel give it back to within their own rounding, and no others do.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Variant:
    """What distinguishes one RRDBNet from another of the same size."""

    attention: Attention
    upsampler: Upsampler


PRESETS: dict[str, Variant] = {
    "realesrgan": Variant("none", "nearest"),
    "aimanga": Variant("pixel", "pixelshuffle"),
}
"""Variants with a name: Real-ESRGAN's own network, and this project's."""


def convert(network: RRDBNet, variant: Variant) -> RRDBNet:
    """Make another variant of a network that gives the same pictures.

    From "nearest" to "pixelshuffle" always works: for each of the four phases of the result those taps of the 3x3
    kernel are added up that fall onto one source pixel. Attention can always be added, as the identity. The ways back
    exist where nothing is lost: PixelShuffle kernels that are still made of one nearest kernel, attention that still is
    the identity.

    Args:
        network: The network, which is not changed.
        variant: The variant to make.

    Returns:
        The new network, in evaluation mode; its weights have the type of the old one's and share no memory with them.

    Raises:
        ModelError: The variant cannot give the same pictures: training has made use of what it lacks.
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
        converted = RRDBNet(**options)  # type: ignore[arg-type]  # they are those of a network that exists
    for name, empty in converted.state_dict().items():
        if name not in state:  # attention that is new
            state[name] = torch.zeros(empty.shape, dtype=state["conv_first.weight"].dtype)
    converted.load_state_dict(state, assign=True)
    return converted.eval()


def _shuffled(name: str, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    """A convolution C to 4C with PixelShuffle behind it, of one C to C with nearest upsampling before it."""
    footprints = _FOOTPRINTS.to(weight.device)
    phases = torch.einsum("pri,qsj,ocij->opqcrs", footprints, footprints, weight.double())
    features = weight.shape[0]
    return {
        f"{name}.weight": phases.reshape(4 * features, *weight.shape[1:]).to(weight.dtype),
        f"{name}.bias": bias.repeat_interleave(4),
    }


def _unshuffled(name: str, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    """The inverse of `_shuffled`, where there is one: the corners of a kernel stand alone in the phases."""
    features = weight.shape[0] // 4
    # How the nine taps of a nearest kernel make the 36 of the four phases, turned around by least squares.
    taps = torch.einsum("pri,qsj->pqrsij", _FOOTPRINTS, _FOOTPRINTS).reshape(36, 9)
    phases = weight.double().cpu().view(features, 4, -1, 9).transpose(1, 2).reshape(features, -1, 36)
    kernel = phases @ torch.linalg.pinv(taps).T
    lost = max(
        float((kernel @ taps.T - phases).abs().max()) / max(float(phases.abs().max()), 1e-30),
        float((bias.view(features, 4) - bias.view(features, 4)[:, :1]).abs().max()),
    )
    if lost > _ROUNDING:
        raise ModelError(
            f"{name}: this PixelShuffle gives the four pixels kernels of their own, which no nearest upsampling can; "
            "keep it as pixelshuffle"
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
            f"{used[0]}: the attention has learned something, so the network is another one without it; keep it"
        )
    return plain
