"""What a network costs and how far it sees."""

from dataclasses import dataclass
from math import nan

import torch
from torch.utils.flop_counter import FlopCounterMode

from aimanga.models.networks import Generator

_LARGEST_FIELD = 4096


@dataclass(frozen=True)
class Summary:
    """A network in numbers.

    Attributes:
        parameters: Numbers that are learned.
        multiply_adds: Multiplications, each with an addition, for each pixel of the input.
        receptive_field: Side of the square of input pixels that one pixel of the result depends on; None where that
            is the whole picture.
    """

    parameters: int
    multiply_adds: float
    receptive_field: int | None


def summarize(network: Generator) -> Summary:
    """Count a generator's parameters and operations, and find how far it sees.

    Args:
        network: The network, on the CPU, in evaluation mode.
    """
    return Summary(
        sum(parameter.numel() for parameter in network.parameters()),
        _multiply_adds(network),
        _receptive_field(network),
    )


def _multiply_adds(network: Generator) -> float:
    side = 64  # what attention computes once for the whole picture is spread over so many pixels
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        type(network)(**network.options)(torch.empty(1, network.in_channels, side, side))
    flops: int = counter.get_total_flops()
    return flops / 2 / side**2


def _receptive_field(network: Generator) -> int | None:
    """Let one pixel be no number, and see how far that spreads: what has read it is no number either.

    That depends neither on the weights nor on the number of features.
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
    """The distance in rows to the farthest result that depends on a row of a picture of hardly any columns."""
    x = torch.zeros(1, network.in_channels, height, network.size_multiple)
    x[:, :, row] = nan
    with torch.inference_mode():
        spoiled = torch.isnan(network(x)).any(3).any(1)[0].nonzero()
    above, below = (int(end) // network.scale for end in (spoiled.min(), spoiled.max()))
    return max(row - above, below - row)
