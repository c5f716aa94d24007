"""Layers that compute in the type of their weights, whatever the type of their input.

The precision of a network is thus the type of its weights, and a residual sum keeps the wider type of its terms: with
bfloat16 weights and a float32 input, convolutions run in bfloat16 and residual sums in float32.

In training the weights are float32, and autocast sets the type of the computation.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def compute_type(weight: Tensor) -> torch.dtype:
    """The type in which a layer computes: autocast's if it is enabled, else that of its weights."""
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
    """A `Conv3x3` that ignores autocast: for the first and the last layer of a network.

    They process the picture itself, whose 256 levels bfloat16 cannot represent, and cost next to nothing.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve N x C x H x W of any floating type into the type of the weights."""
        if not _has_autocast(x.device.type):
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x)


class Conv1x1(nn.Conv2d):
    """A 1x1 convolution.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve N x C x H x W of any floating type into the type of the weights."""
        return super().forward(x.to(compute_type(self.weight)))


class PReLU(nn.PReLU):
    """A leaky ReLU with a learned slope for each channel.

    Args:
        channels: Channels of the input.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to N x C x H x W of any floating type; the result has the type of the slopes."""
        dtype = compute_type(self.weight)
        return F.prelu(x.to(dtype), self.weight.to(dtype))


def _has_autocast(kind: str) -> bool:
    """Whether autocast is enabled for a type of device; the meta device does not support it."""
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
