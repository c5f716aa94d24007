"""RRDBNet: the generator of ESRGAN and Real-ESRGAN.

Sources: X. Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", ECCVW 2018,
arXiv:1809.00219; X. Wang et al., "Real-ESRGAN", ICCVW 2021, arXiv:2107.10833 (pixel-unshuffle for x2 and x1).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aimanga.models.layers import Conv3x3

RESIDUAL_SCALE = 0.2
"""How much a residual branch adds: it keeps the training of a network without normalization stable."""


class ResidualDenseBlock(nn.Module):
    """Five convolutions, each of which sees the outputs of all before it; the last one is added to the input.

    Args:
        features: Channels of input and output.
        growth: Channels that each of the first four convolutions adds.
    """

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.conv1 = Conv3x3(features, growth)
        self.conv2 = Conv3x3(features + growth, growth)
        self.conv3 = Conv3x3(features + 2 * growth, growth)
        self.conv4 = Conv3x3(features + 3 * growth, growth)
        self.conv5 = Conv3x3(features + 4 * growth, features)

    def forward(self, x: Tensor) -> Tensor:
        """Refine N x features x H x W; the sum keeps the type of `x`."""
        dense = x.to(self.conv1.weight.dtype)
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            dense = torch.cat((dense, F.leaky_relu(conv(dense), 0.2)), 1)
        return torch.add(x, self.conv5(dense), alpha=RESIDUAL_SCALE)


class RRDB(nn.Module):
    """Residual in Residual Dense Block: three residual dense blocks within one more residual.

    Args:
        features: Channels of input and output.
        growth: Growth of the dense blocks.
    """

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = ResidualDenseBlock(features, growth)
        self.rdb2 = ResidualDenseBlock(features, growth)
        self.rdb3 = ResidualDenseBlock(features, growth)

    def forward(self, x: Tensor) -> Tensor:
        """Refine N x features x H x W; the sum keeps the type of `x`."""
        return torch.add(x, self.rdb3(self.rdb2(self.rdb1(x))), alpha=RESIDUAL_SCALE)


class RRDBNet(nn.Module):
    """The generator of Real-ESRGAN: its parameters have the published names, so its weights load as they are.

    The body works at a quarter of the output's resolution whatever the scale: for x2 and x1 the input is first
    pixel-unshuffled by 2 or 4, which trades resolution for channels and cuts the cost.

    Residual sums keep the type of the input, convolutions compute in the type of their weights: with bfloat16
    weights and a float32 input the errors of 23 blocks do not pile up in the trunk.

    Args:
        in_channels: Channels of the input picture.
        out_channels: Channels of the output picture.
        scale: 1, 2 or 4.
        features: Channels of the trunk.
        blocks: Number of RRDBs.
        growth: Growth of the dense blocks.

    Raises:
        ValueError: `scale` is another number.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        out_channels: int = 3,
        scale: int = 4,
        features: int = 64,
        blocks: int = 23,
        growth: int = 32,
    ) -> None:
        super().__init__()
        if scale not in (1, 2, 4):
            raise ValueError(f"RRDBNet upscales by 1, 2 or 4, not {scale}")
        self.scale = scale
        self.size_multiple = 4 // scale
        self.in_channels, self.out_channels = in_channels, out_channels
        self.conv_first = Conv3x3(in_channels * self.size_multiple**2, features)
        self.body = nn.Sequential(*(RRDB(features, growth) for _ in range(blocks)))
        self.conv_body = Conv3x3(features, features)
        self.conv_up1 = Conv3x3(features, features)
        self.conv_up2 = Conv3x3(features, features)
        self.conv_hr = Conv3x3(features, features)
        self.conv_last = Conv3x3(features, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Upscale a batch.

        Args:
            x: N x in_channels x H x W, range [0, 1]; H and W are multiples of `size_multiple`, which is
                4 / `scale`.

        Returns:
            N x out_channels x (H `scale`) x (W `scale`), about [0, 1], not clipped, in the type of the
            last convolution's weights.
        """
        shallow = self.conv_first(F.pixel_unshuffle(x, self.size_multiple)).to(x.dtype)
        features = shallow + self.conv_body(self.body(shallow))
        features = F.leaky_relu(self.conv_up1(F.interpolate(features, scale_factor=2, mode="nearest")), 0.2)
        features = F.leaky_relu(self.conv_up2(F.interpolate(features, scale_factor=2, mode="nearest")), 0.2)
        out: Tensor = self.conv_last(F.leaky_relu(self.conv_hr(features), 0.2))
        return out
