"""Layers that compute in the type of their weights, whatever the type of their input.

So a network decides its precision by the type of its weights alone, and a sum between layers keeps the wider type of
its terms: with bfloat16 weights and a float32 input, convolutions run in bfloat16 and residual sums in float32.

In training the weights are float32, and autocast names the type in which they are used.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def compute_type(weight: Tensor) -> torch.dtype:
    """The type in which a layer computes: autocast's where that is on, else that of its weights."""
    kind = weight.device.type
    return torch.get_autocast_dtype(kind) if _has_autocast(kind) else weight.dtype


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution with zero padding.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve N x C x H x W of any floating type into the type of the weights."""
        return super().forward(x.to(compute_type(self.weight)))


class ExactConv3x3(Conv3x3):
    """A `Conv3x3` that autocast leaves as it is: for the ends of a network.

    They touch the picture itself, whose levels bfloat16 cannot tell apart, and cost next to nothing.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve N x C x H x W of any floating type into the type of the weights."""
        if not _has_autocast(x.device.type):
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x)


class Conv1x1(nn.Conv2d):
    """A convolution that mixes the channels of each pixel by itself.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the channels of N x C x H x W of any floating type into the type of the weights."""
        return super().forward(x.to(compute_type(self.weight)))


class PReLU(nn.PReLU):
    """A leaky rectifier with a learned slope for each channel.

    Args:
        channels: Channels of the input.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Rectify N x C x H x W of any floating type into the type of the slopes."""
        dtype = compute_type(self.weight)
        return F.prelu(x.to(dtype), self.weight.to(dtype))


def _has_autocast(kind: str) -> bool:
    """Whether autocast is on for a kind of device; the one that holds only shapes does not know it."""
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
