"""The cost and the receptive field of a network."""

from dataclasses import dataclass
from math import nan

import torch
from torch.utils.flop_counter import FlopCounterMode

from aimanga.models.networks import Generator

_LARGEST_FIELD = 4096


@dataclass(frozen=True)
class Summary:
    """The cost and the receptive field of a network.

    Attributes:
        parameters: Number of parameters.
        multiply_adds: Multiply-adds per pixel of the input.
        receptive_field: Side, in input pixels, of the receptive field of an output pixel; None if it is the whole
            picture.
    """

    parameters: int
    multiply_adds: float
    receptive_field: int | None


def summarize(network: Generator) -> Summary:
    """Count the parameters and operations of a generator, and measure its receptive field.

    Args:
        network: The network, on the CPU, in evaluation mode.
    """
    return Summary(
        sum(parameter.numel() for parameter in network.parameters()),
        _multiply_adds(network),
        _receptive_field(network),
    )


def _multiply_adds(network: Generator) -> float:
    side = 64  # channel attention has a cost for each picture, which is divided by its pixels
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        type(network)(**network.options)(torch.empty(1, network.in_channels, side, side))
    flops: int = counter.get_total_flops()
    return flops / 2 / side**2


def _receptive_field(network: Generator) -> int | None:
    """Set a row of pixels to NaN and measure how far it spreads in the output.

    The result depends neither on the weights nor on the number of features.
    """
    thin = {name: 1 for name in ("features", "growth") if name in network.options}
    with torch.device("meta"):
        network = type(network)(**network.options | thin)
    network.to_empty(device="cpu")
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    height = 64
    while height <= _LARGEST_FIELD:
        reach = max(_reach(network, height, height // 2 + shift) for shift in range(network.size_multiple))
        if reach < height // 2 - network.size_multiple:
            return 2 * reach + 1
        height *= 2
    return None


def _reach(network: Generator, height: int, row: int) -> int:
    """The distance from an input row to the farthest output row that depends on it."""
    x = torch.zeros(1, network.in_channels, height, network.size_multiple)
    x[:, :, row] = nan
    with torch.inference_mode():
        reached = torch.isnan(network(x)).any(3).any(1)[0].nonzero()
    above, below = (int(end) // network.scale for end in (reached.min(), reached.max()))
    return max(row - above, below - row)
