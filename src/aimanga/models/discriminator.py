"""The multi-scale U-Net discriminator of the Aimanga method.

Sources: E. Schönfeld et al., "A U-Net Based Discriminator for Generative Adversarial Networks", CVPR 2020,
arXiv:2002.12655; P. Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017,
arXiv:1611.07004 (PatchGAN); T. Miyato et al., "Spectral Normalization for Generative Adversarial
Networks", ICLR 2018, arXiv:1802.05957; D. Ulyanov et al., "Instance Normalization", arXiv:1607.08022; A. Odena et al.,
"Deconvolution and Checkerboard Artifacts", Distill 2016, doi:10.23915/distill.00003.
"""

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from aimanga.models.architecture import Architecture, State


class UNetDiscriminator(nn.Module):
    """Distinguishes real from generated pictures, pixel by pixel and patch by patch.

    A U-Net of three strided and three transposed convolutions whose skip connections are added. The kernels that
    change the resolution are 4 x 4 with stride 2: they cover each pixel equally often, so there are no checkerboard
    artifacts. All convolutions but those of the logits have spectral normalization, and those that change the
    resolution instance normalization, too; except the innermost one, where one pixel of the smallest crop remains,
    which has no variance.

    Args:
        in_channels: Channels of the pictures.
        features: Channels at full resolution; each halving doubles them.
    """

    matched: tuple[str, ...] = ("down1", "down2", "down3", "up3", "up2", "up1")
    """The layers whose outputs feature matching compares."""

    def __init__(self, *, in_channels: int = 3, features: int = 64) -> None:
        super().__init__()
        self.options = {"in_channels": in_channels, "features": features}
        self.in_channels = in_channels
        self.size_multiple = 8
        self.conv_first = spectral_norm(nn.Conv2d(in_channels, features, 3, padding=1))
        self.down1 = _Down(features, 2 * features)
        self.down2 = _Down(2 * features, 4 * features)
        self.down3 = spectral_norm(nn.Conv2d(4 * features, 8 * features, 4, stride=2, padding=1))
        self.up3 = _Up(8 * features, 4 * features)
        self.up2 = _Up(4 * features, 2 * features)
        self.up1 = _Up(2 * features, features)
        self.conv1 = spectral_norm(nn.Conv2d(features, features, 3, padding=1))
        self.conv2 = spectral_norm(nn.Conv2d(features, features, 3, padding=1))
        self.logits_quarter = nn.Conv2d(4 * features, 1, 3, padding=1)
        self.logits_half = nn.Conv2d(2 * features, 1, 3, padding=1)
        self.logits_full = nn.Conv2d(features, 1, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the logits of a batch.

        Args:
            x: N x in_channels x H x W, range [0, 1]; H and W are multiples of 8.

        Returns:
            Logits, positive where a picture looks real: N x 1 x H x W, N x 1 x H/2 x W/2, and N x 1 x H/4 x W/4.

        Raises:
            ValueError: H or W is not a multiple of 8.
        """
        if x.shape[2] % 8 or x.shape[3] % 8:
            raise ValueError(f"the discriminator takes crops whose sides are multiples of 8, not {x.shape[2:]}")
        full = F.leaky_relu(self.conv_first(x), 0.2)
        half = self.down1(full)
        quarter = self.down2(half)
        inner = F.leaky_relu(self.down3(quarter), 0.2)
        quarter = quarter + self.up3(inner)
        half = half + self.up2(quarter)
        full = full + self.up1(half)
        full = F.leaky_relu(self.conv1(full), 0.2)
        full = F.leaky_relu(self.conv2(full), 0.2)
        return self.logits_full(full), self.logits_half(half), self.logits_quarter(quarter)


class _Down(nn.Module):
    """Halves the resolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        # The normalization would remove a bias.
        self.conv = spectral_norm(nn.Conv2d(in_channels, out_channels, 4, stride=2, padding=1, bias=False))
        self.norm = nn.InstanceNorm2d(out_channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.conv(x)), 0.2)


class _Up(nn.Module):
    """Doubles the resolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = spectral_norm(nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1, bias=False))
        self.norm = nn.InstanceNorm2d(out_channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.conv(x)), 0.2)


def _options(state: State) -> dict[str, int | str]:
    features, channels = state["conv_first.parametrizations.weight.original"].shape[:2]
    return {"in_channels": channels, "features": features}


ARCHITECTURE = Architecture(UNetDiscriminator, "down1.norm.weight", _options)
