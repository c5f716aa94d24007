"""SRVGGNetCompact: the small, fast generator of Real-ESRGAN's video and general models.

Source: X. Wang et al., the Real-ESRGAN project, release notes of v0.2.3 and v0.2.5 (no paper of its own).
"""

import math
import re

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aimanga.models.architecture import Architecture, State, count_layers
from aimanga.models.layers import Conv3x3, ExactConv3x3, PReLU


class SRVGGNetCompact(nn.Module):
    """A plain chain of 3x3 convolutions with PReLU, then PixelShuffle; the input is added after nearest upsampling.

    Its parameters have the published names (`body.0.weight` ...), so published weights can be loaded.

    Args:
        channels: Channels of input and output.
        features: Channels of the hidden layers.
        convs: Number of convolutions between the first and the last.
        scale: Any positive integer.
    """

    def __init__(self, *, channels: int = 3, features: int = 64, convs: int = 16, scale: int = 4) -> None:
        super().__init__()
        self.options = {"channels": channels, "features": features, "convs": convs, "scale": scale}
        self.scale = scale
        self.size_multiple = 1
        self.in_channels = self.out_channels = channels
        self.body = nn.ModuleList([ExactConv3x3(channels, features), PReLU(features)])
        for _ in range(convs):
            self.body += [Conv3x3(features, features), PReLU(features)]
        self.body.append(ExactConv3x3(features, channels * scale**2))

    def forward(self, x: Tensor) -> Tensor:
        """Upscale a batch.

        Args:
            x: N x channels x H x W, range [0, 1].

        Returns:
            N x channels x (H `scale`) x (W `scale`), about [0, 1], not clipped.
        """
        features = x
        for layer in self.body:
            features = layer(features)
        return self._upsampled(x, features)

    @property
    def depth(self) -> int:
        """The number of convolutions between the first and the last."""
        return (len(self.body) - 3) // 2

    @property
    def begin_channels(self) -> int:
        """Channels of what `begin` returns."""
        return self.options["channels"] + self.options["features"]

    def freeze(self, blocks: int) -> None:
        """Exclude the first `blocks` of them, and the first convolution, from training."""
        self.body[: 2 * blocks + 2].requires_grad_(False)

    def begin(self, x: Tensor, blocks: int) -> Tensor:
        """The input and the features after so many of them: N x (`channels` + `features`) x H x W."""
        features = x
        for layer in self.body[: 2 * blocks + 2]:
            features = layer(features)
        return torch.cat((x, features), 1)

    def finish(self, features: Tensor, blocks: int) -> Tensor:
        """The output for what `begin` returned for as many of them."""
        x, features = features.tensor_split((self.in_channels,), 1)
        for layer in self.body[2 * blocks + 2 :]:
            features = layer(features)
        return self._upsampled(x, features)

    def _upsampled(self, x: Tensor, features: Tensor) -> Tensor:
        residual = F.pixel_shuffle(features, self.scale)
        return residual + F.interpolate(x, scale_factor=self.scale, mode="nearest")


def _options(state: State) -> dict[str, int | str]:
    features, channels = state["body.0.weight"].shape[:2]
    layers = count_layers(state, r"body\.(\d+)\.")
    if state["body.1.weight"].shape != (features,):
        raise ValueError("body.1.weight should hold one PReLU slope a feature; other activations are not supported")
    shuffled = state[f"body.{layers - 1}.weight"].shape[0]
    scale = math.isqrt(shuffled // channels)
    return {"channels": channels, "features": features, "convs": (layers - 3) // 2, "scale": scale}


def _current_names(state: State) -> State:
    """Rename the tensors of ncnn files to the published names."""
    if not any(name.startswith("PReLU.") for name in state):
        return state
    return {re.sub(r"^(Convolution|PReLU)\.", "body.", name): tensor for name, tensor in state.items()}


ARCHITECTURE = Architecture(SRVGGNetCompact, "body.0.weight", _options, _current_names)
