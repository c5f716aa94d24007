"""The discriminator of Real-ESRGAN.

Source: X. Wang et al., "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data", ICCVW 2021,
arXiv:2107.10833, section 3.4.
"""

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from aimanga.models.architecture import Architecture, State


class UNetDiscriminatorSN(nn.Module):
    """A U-Net with spectral normalization and a logit for each pixel.

    Its parameters have the published names (`conv1.weight_orig` ...), so published weights can be loaded: hence
    PyTorch's older spectral normalization.

    Args:
        in_channels: Channels of the pictures.
        features: Channels at full resolution.
    """

    matched: tuple[str, ...] = ("conv1", "conv2", "conv3", "conv4", "conv5", "conv6")
    """The layers whose outputs feature matching compares."""

    def __init__(self, *, in_channels: int = 3, features: int = 64) -> None:
        super().__init__()
        self.options = {"in_channels": in_channels, "features": features}
        self.in_channels = in_channels
        self.size_multiple = 8
        self.conv0 = nn.Conv2d(in_channels, features, 3, padding=1)
        self.conv1 = _down(features, 2 * features)
        self.conv2 = _down(2 * features, 4 * features)
        self.conv3 = _down(4 * features, 8 * features)
        self.conv4 = _same(8 * features, 4 * features)
        self.conv5 = _same(4 * features, 2 * features)
        self.conv6 = _same(2 * features, features)
        self.conv7 = _same(features, features)
        self.conv8 = _same(features, features)
        self.conv9 = nn.Conv2d(features, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits of a batch.

        Args:
            x: N x in_channels x H x W, range [0, 1]; H and W are multiples of 8.

        Returns:
            Logits, positive where a picture looks real: N x 1 x H x W.

        Raises:
            ValueError: H or W is not a multiple of 8.
        """
        if x.shape[2] % 8 or x.shape[3] % 8:
            raise ValueError(f"the discriminator takes crops whose sides are multiples of 8, not {x.shape[2:]}")
        full = F.leaky_relu(self.conv0(x), 0.2)
        half = F.leaky_relu(self.conv1(full), 0.2)
        quarter = F.leaky_relu(self.conv2(half), 0.2)
        inner = F.leaky_relu(self.conv3(quarter), 0.2)
        quarter = quarter + F.leaky_relu(self.conv4(_doubled(inner)), 0.2)
        half = half + F.leaky_relu(self.conv5(_doubled(quarter)), 0.2)
        full = full + F.leaky_relu(self.conv6(_doubled(half)), 0.2)
        full = F.leaky_relu(self.conv7(full), 0.2)
        full = F.leaky_relu(self.conv8(full), 0.2)
        logits: Tensor = self.conv9(full)
        return logits


def _down(in_channels: int, out_channels: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(in_channels, out_channels, 4, stride=2, padding=1, bias=False))


def _same(in_channels: int, out_channels: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False))


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _options(state: State) -> dict[str, int | str]:
    features, channels = state["conv0.weight"].shape[:2]
    return {"in_channels": channels, "features": features}


ARCHITECTURE = Architecture(UNetDiscriminatorSN, "conv1.weight_orig", _options)
