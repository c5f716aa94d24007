"""LPIPS: the distance between deep features of two pictures, weighted to agree with human judgement.

Source: R. Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018,
arXiv:1801.03924; version 0.1 of the authors' richzhang/PerceptualSimilarity, whose heads are shipped under BSD-2-Clause
(see `parameters/LICENSES.md`).
"""

from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from aimanga.metrics.backbones import (
    ALEXNET_TAPS,
    VGG16_TAPS,
    alexnet_features,
    banded_features,
    load_features,
    vgg16_features,
)
from aimanga.metrics.compared import check_same_size
from aimanga.metrics.levels import require_size
from aimanga.metrics.parameters import load_parameters

Backbone = Literal["alex", "vgg"]

# Layers, taps, and the smallest side for which the last tap has a row.
_BACKBONES = {"alex": (alexnet_features, ALEXNET_TAPS, 31), "vgg": (vgg16_features, VGG16_TAPS, 16)}

_OFFICIAL = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth"}

# Mean and standard deviation of ImageNet for pixels in [-1, 1], as published.
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class LPIPS(nn.Module):
    """Learned Perceptual Image Patch Similarity, version 0.1, with the published linear heads.

    The state dict is that of the backbone, under torchvision's names; the heads are shipped with the package.

    Args:
        backbone: "alex", which the authors recommend and papers report, or "vgg".

    Raises:
        ValueError: `backbone` is neither.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, backbone: Backbone = "alex") -> None:
        super().__init__()
        if backbone not in get_args(Backbone):
            raise ValueError(f"LPIPS's backbone is alex or vgg, not {backbone}")
        layers, self.taps, self.smallest = _BACKBONES[backbone]
        self.features = layers()
        heads = load_parameters("lpips", torch.device("cpu"))
        for number in range(len(self.taps)):
            self.register_buffer(f"head{number}", heads[f"{backbone}.lin{number}.model.1.weight"], persistent=False)
        self.register_buffer("shift", torch.tensor(_SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE).view(1, 3, 1, 1), persistent=False)

    def forward(self, pictures: Tensor, references: Tensor) -> Tensor:
        """Compute the distance of each picture to its reference; it is symmetric, and 0 for equal pictures.

        At each tap the features of a pixel are scaled to length 1; their squared differences, weighted by the head, are
        averaged over the pixels, and the taps are summed.

        Args:
            pictures: N x 3 x H x W, RGB, range [0, 1].
            references: Likewise, of the same size.

        Returns:
            N distances, 0 or more.

        Raises:
            PictureError: The sizes differ, or a side is shorter than 31 ("alex") or 16 ("vgg").
        """
        check_same_size(pictures, references)
        require_size(pictures, "LPIPS", self.smallest)
        # One by one, so that neither rounding nor memory depends on the rest of the batch.
        pairs = zip(pictures[:, None], references[:, None], strict=True)
        return torch.stack([self._distance(picture, reference) for picture, reference in pairs])

    def _distance(self, picture: Tensor, reference: Tensor) -> Tensor:
        total = torch.zeros(len(self.taps), dtype=torch.float64, device=picture.device)
        positions = torch.zeros_like(total)
        bands = (banded_features(p, self._normalize, self.features, self.taps) for p in (picture, reference))
        for (_, *found), (_, *wanted) in zip(*bands, strict=True):
            for tap, (ours, theirs) in enumerate(zip(found, wanted, strict=True)):
                difference = (_unit(ours) - _unit(theirs)).square_()
                weighed = difference.mul_(self.get_buffer(f"head{tap}")).sum(1)
                total[tap] += weighed.sum(dtype=torch.float64)
                positions[tap] += weighed.numel()
        return (total / positions).sum().float()

    def _normalize(self, pixels: Tensor) -> Tensor:
        return (2 * pixels - 1 - self.shift) / self.scale


def load_lpips(backbone: Backbone, path: Path) -> LPIPS:
    """Load LPIPS with torchvision's published backbone, frozen, in evaluation mode.

    Args:
        backbone: "alex" or "vgg".
        path: alexnet-owt-7be5be79.pth or vgg16-397923af.pth of https://download.pytorch.org/models.

    Raises:
        ModelError: The file is missing, damaged, or of another network.
    """
    network = LPIPS(backbone)
    load_features(network, path, _OFFICIAL[backbone])
    return network.requires_grad_(False).eval()


def _unit(features: Tensor) -> Tensor:
    """Scale the features of each pixel to length 1; the published 1e-10 keeps pixels without features at 0."""
    return features / (features.square().sum(1, keepdim=True).sqrt() + 1e-10)
