"""RRDBNet: the generator of ESRGAN and Real-ESRGAN, with optional attention and PixelShuffle.

Sources: X. Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", ECCVW 2018,
arXiv:1809.00219; X. Wang et al., "Real-ESRGAN", ICCVW 2021, arXiv:2107.10833 (pixel-unshuffle for x2 and x1); H. Zhao
et al., "Efficient Image Super-Resolution Using Pixel Attention", ECCVW 2020, arXiv:2010.01073; Y. Zhang et al., "Image
Super-Resolution Using Very Deep Residual Channel Attention Networks", ECCV 2018, arXiv:1807.02758; W. Shi et al.,
"Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network", CVPR
2016, arXiv:1609.05158 (PixelShuffle).
"""

import re
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from aimanga.models.architecture import Architecture, State, count_layers
from aimanga.models.layers import Conv1x1, Conv3x3, ExactConv3x3, compute_type

fx.wrap("compute_type")  # traced as one operation, which is evaluated when the network runs

Attention = Literal["none", "pixel", "channel"]
Upsampler = Literal["nearest", "pixelshuffle"]

RESIDUAL_SCALE = 0.2
"""The factor of a residual branch: it stabilises training without normalization."""


class ResidualDenseBlock(nn.Module):
    """RDB: five densely connected convolutions, the output of the last added to the input.

    Args:
        features: Channels of input and output.
        growth: Output channels of each of the first four convolutions.
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
        dense = x.to(compute_type(self.conv1.weight))
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            dense = torch.cat((dense, F.leaky_relu(conv(dense), 0.2)), 1)
        return torch.add(x, self.conv5(dense), alpha=RESIDUAL_SCALE)


class PixelAttention(nn.Module):
    """Scale each value by a function of its pixel: `x * 2 sigmoid(conv1x1(x))`, a factor between 0 and 2.

    The convolution is initialised to zero, so the factor is exactly 1 at first: in a pretrained network it changes
    nothing until it is trained. (The papers' sigmoid without the 2 would halve the values at first.)

    Args:
        features: Channels of input and output; the convolution has features x (features + 1) parameters.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.per_pixel = _zero(Conv1x1(features, features))

    def forward(self, x: Tensor) -> Tensor:
        """Scale N x features x H x W; the product keeps the type of `x`."""
        return x * (2 * torch.sigmoid(self.per_pixel(x)))


class ChannelAttention(nn.Module):
    """Scale each channel by a function of the channel means: `x * 2 sigmoid(conv1x1(mean(x)))`, between 0 and 2.

    It is initialised to the identity, like `PixelAttention`. The mean is global: the output for a crop is not the crop
    of the output.

    Args:
        features: Channels of input and output; the convolution has features x (features + 1) parameters.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.per_channel = _zero(Conv1x1(features, features))

    def forward(self, x: Tensor) -> Tensor:
        """Scale N x features x H x W; the product keeps the type of `x`."""
        return x * (2 * torch.sigmoid(self.per_channel(x.mean((2, 3), keepdim=True))))


def _zero(conv: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(conv.weight)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv


class RRDB(nn.Module):
    """Residual in Residual Dense Block: three RDBs in an outer residual.

    Attention scales the output of the three blocks before it is added to the input.

    Args:
        features: Channels of input and output.
        growth: Growth of the dense blocks.
        attention: The kind of attention.
    """

    def __init__(self, features: int, growth: int, attention: Attention = "none") -> None:
        super().__init__()
        self.rdb1 = ResidualDenseBlock(features, growth)
        self.rdb2 = ResidualDenseBlock(features, growth)
        self.rdb3 = ResidualDenseBlock(features, growth)
        self.attention = _ATTENTIONS[attention](features)

    def forward(self, x: Tensor) -> Tensor:
        """Refine N x features x H x W; the sum keeps the type of `x`."""
        return torch.add(x, self.attention(self.rdb3(self.rdb2(self.rdb1(x)))), alpha=RESIDUAL_SCALE)


_ATTENTIONS: dict[str, type[nn.Module]] = {
    "none": nn.Identity,
    "pixel": PixelAttention,
    "channel": ChannelAttention,
}


class RRDBNet(nn.Module):
    """The generator of Real-ESRGAN. Its parameters have the published names, so published weights can be loaded.

    With `attention="none"` and `upsampler="nearest"` it is Real-ESRGAN's own network. The variants add to that, and
    `aimanga.models.convert` turns one into another without a change of the output.

    Attention is at the end of each RRDB, before the outer residual, and has features x (features + 1) parameters a
    block: 95,680, or 0.6 %, for 23 blocks of 64 features. It is initialised to the identity.

    The upsampler is, twice, nearest x2 before a convolution, or a convolution to four times the channels before
    PixelShuffle. The latter has four times the parameters and as many multiply-adds; it can represent the former, and
    can have a different kernel for each of the four pixels.

    The body runs at a quarter of the output's resolution at every scale: for x2 and x1 the input is pixel-unshuffled
    by 2 or 4.

    Residual sums keep the type of the input, and convolutions compute in the type of their weights: with bfloat16
    weights and a float32 input the rounding errors of 23 blocks do not accumulate in the trunk.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: 1, 2 or 4.
        features: Channels of the trunk.
        blocks: Number of RRDBs.
        growth: Growth of the dense blocks.
        attention: "none", "pixel", or "channel", which depends on the whole picture and cannot be streamed by rows.
        upsampler: "nearest" or "pixelshuffle".

    Raises:
        ValueError: `scale`, `attention` or `upsampler` is none of these.
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
        attention: Attention = "none",
        upsampler: Upsampler = "nearest",
    ) -> None:
        super().__init__()
        if scale not in (1, 2, 4):
            raise ValueError(f"RRDBNet upscales by 1, 2 or 4, not {scale}")
        if attention not in get_args(Attention):
            raise ValueError(f"RRDBNet's attention is none, pixel or channel, not {attention}")
        if upsampler not in get_args(Upsampler):
            raise ValueError(f"RRDBNet's upsampler is nearest or pixelshuffle, not {upsampler}")
        self.attention, self.upsampler = attention, upsampler
        self.options: dict[str, int | str] = {
            "in_channels": in_channels, "out_channels": out_channels, "scale": scale,
            "features": features, "blocks": blocks, "growth": growth, "attention": attention, "upsampler": upsampler,
        }  # fmt: skip
        self.scale = scale
        self.size_multiple = 4 // scale
        self.in_channels, self.out_channels = in_channels, out_channels
        self.conv_first = ExactConv3x3(in_channels * self.size_multiple**2, features)
        self.body = nn.Sequential(*(RRDB(features, growth, attention) for _ in range(blocks)))
        self.conv_body = Conv3x3(features, features)
        phases = 4 if upsampler == "pixelshuffle" else 1
        self.conv_up1 = Conv3x3(features, phases * features)
        self.conv_up2 = Conv3x3(features, phases * features)
        self.conv_hr = Conv3x3(features, features)
        self.conv_last = ExactConv3x3(features, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Upscale a batch.

        Args:
            x: N x in_channels x H x W, range [0, 1]; H and W are multiples of `size_multiple`, which is
                4 / `scale`.

        Returns:
            N x out_channels x (H `scale`) x (W `scale`), about [0, 1], not clipped, in the type of the
            last convolution's weights.
        """
        shallow = self._shallow(x)
        return self._upsampled(shallow, self.body(shallow))

    @property
    def depth(self) -> int:
        """The number of blocks."""
        return len(self.body)

    @property
    def begin_channels(self) -> int:
        """Channels of what `begin` returns."""
        return 2 * self.conv_body.in_channels

    def freeze(self, blocks: int) -> None:
        """Exclude the first blocks, and all before them, from training."""
        for part in (self.conv_first, self.body[:blocks]):
            part.requires_grad_(False)

    def begin(self, x: Tensor, blocks: int) -> Tensor:
        """The shallow features and those after the first blocks: N x 2 `features` x h x w."""
        shallow = self._shallow(x)
        return torch.cat((shallow, self.body[:blocks](shallow)), 1)

    def finish(self, features: Tensor, blocks: int) -> Tensor:
        """The output for what `begin` returned for as many blocks."""
        shallow, deep = features.chunk(2, 1)
        return self._upsampled(shallow, self.body[blocks:](deep))

    def _shallow(self, x: Tensor) -> Tensor:
        unshuffled = x if self.size_multiple == 1 else F.pixel_unshuffle(x, self.size_multiple)
        shallow: Tensor = self.conv_first(unshuffled).to(x.dtype)
        return shallow

    def _upsampled(self, shallow: Tensor, deep: Tensor) -> Tensor:
        features = shallow + self.conv_body(deep)
        for conv in (self.conv_up1, self.conv_up2):
            if self.upsampler == "pixelshuffle":
                features = F.pixel_shuffle(F.leaky_relu(conv(features), 0.2), 2)
            else:
                features = F.leaky_relu(conv(F.interpolate(features, scale_factor=2, mode="nearest")), 0.2)
        out: Tensor = self.conv_last(F.leaky_relu(self.conv_hr(features), 0.2))
        return out


def _options(state: State) -> dict[str, int | str]:
    features, unshuffled = state["conv_first.weight"].shape[:2]
    out_channels = state["conv_last.weight"].shape[0]
    # A pixel-unshuffled input has 4 or 16 times the picture's channels.
    scale = {1: 4, 4: 2, 16: 1}.get(unshuffled // out_channels, 0)
    attention = [kind for kind in ("pixel", "channel") if f"body.0.attention.per_{kind}.weight" in state]
    return {
        "in_channels": unshuffled * scale**2 // 16,
        "out_channels": out_channels,
        "scale": scale,
        "features": features,
        "blocks": count_layers(state, r"body\.(\d+)\."),
        "growth": state["body.0.rdb1.conv1.weight"].shape[0],
        "attention": (*attention, "none")[0],
        "upsampler": "pixelshuffle" if state["conv_up1.weight"].shape[0] == 4 * features else "nearest",
    }


def _current_names(state: State) -> State:
    """Rename the tensors of both older ESRGAN releases, and of ncnn files, to Real-ESRGAN's names."""
    if "model.0.weight" in state:
        blocks = count_layers(state, r"model\.1\.sub\.(\d+)\.RDB")
        return {_from_sequential(name, blocks): tensor for name, tensor in state.items()}
    if any(name.startswith("RRDB_trunk.") for name in state):
        return {_from_trunk(name): tensor for name, tensor in state.items()}
    blocks, others = divmod(sum(name.startswith("Convolution.") for name in state) // 2 - 6, 15)
    if blocks < 1 or others or any(name.startswith("PReLU.") for name in state):
        return state
    in_order = [
        "conv_first",
        *(f"body.{b}.rdb{r}.conv{c}" for b in range(blocks) for r in (1, 2, 3) for c in (1, 2, 3, 4, 5)),
        *("conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"),
    ]
    return {
        f"{in_order[int(number)]}.{leaf}": tensor
        for (_, number, leaf), tensor in zip((name.split(".") for name in state), state.values(), strict=True)
    }


def _from_trunk(name: str) -> str:
    """ESRGAN of 2019: `RRDB_trunk.0.RDB1.conv1.weight`, `trunk_conv`, `upconv1`, `HRconv`."""
    name = re.sub(r"^RRDB_trunk\.(\d+)\.RDB(\d)\.", r"body.\1.rdb\2.", name)
    for old, new in (("trunk_conv.", "conv_body."), ("upconv", "conv_up"), ("HRconv.", "conv_hr.")):
        name = re.sub(f"^{re.escape(old)}", new, name)
    return name


def _from_sequential(name: str, blocks: int) -> str:
    """ESRGAN of 2018: everything is in one Sequential, and the position says which convolution it is."""
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


ARCHITECTURE = Architecture(RRDBNet, "conv_first.weight", _options, _current_names)
