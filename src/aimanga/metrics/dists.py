"""DISTS: the similarity of structure and texture of two pictures, in the features of VGG16.

Source: K. Ding, K. Ma, S. Wang, E. Simoncelli, "Image Quality Assessment: Unifying Structure and Texture Similarity",
IEEE TPAMI 44(5), 2022, arXiv:2004.07728; the weights of the authors' dingkeyan93/DISTS are shipped under MIT (see
`parameters/LICENSES.md`). The pooling: O. Hénaff, E. Simoncelli, "Geodesics of learned representations", ICLR 2016,
arXiv:1511.06394.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aimanga.metrics.backbones import VGG16_TAPS, banded_features, load_features, vgg16_features
from aimanga.metrics.compared import check_same_size
from aimanga.metrics.parameters import load_parameters

# Mean and standard deviation of ImageNet, on which the backbone was trained.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# The constants c1 and c2 of the paper: channels without mean or variance have a distance of 0.
_C1 = _C2 = 1e-6


class L2Pool(nn.Module):
    """L2 pooling: the square root of the squares, smoothed by a 3 x 3 Hann window and subsampled by 2.

    It is `Windowed`: n rows, padded with a row of zeros above and below, become n / 2, rounded up.
    """

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = (3, 3), (2, 2), (0, 1)
        line = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("kernel", line.outer(line)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Pool N x C x H x W to half the size, each channel separately."""
        channels = x.shape[1]
        kernel = self.kernel.expand(channels, 1, 3, 3)
        power = F.conv2d(x.square(), kernel, stride=self.stride, padding=self.padding, groups=channels)
        return (power + 1e-12).sqrt()


class DISTS(nn.Module):
    """Deep Image Structure and Texture Similarity at the picture's own size, with the published weights.

    (The authors' script first resizes the shorter side to 256; their network, which challenges use, does not.)

    The state dict is that of the backbone, under torchvision's names; `alpha` and `beta` are shipped with the package.
    """

    mean: Tensor
    std: Tensor
    alpha: Tensor
    beta: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.features = vgg16_features(L2Pool)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)
        for name, weights in load_parameters("dists", torch.device("cpu")).items():
            self.register_buffer(name, weights.flatten(), persistent=False)

    def forward(self, pictures: Tensor, references: Tensor) -> Tensor:
        """Compute the distance of each picture to its reference; it is symmetric, and 0 for equal pictures.

        The paper's similarities of texture and structure are subtracted from 1 before the weighted sum instead of
        after it. That is equal, since the weights sum to 1, but free of cancellation. For a channel with means a, b:
        1 - (2ab + c1) / (a^2 + b^2 + c1) = (a - b)^2 / (a^2 + b^2 + c1), and
        1 - (2 cov(x, y) + c2) / (var x + var y + c2) = var(x - y) / (var x + var y + c2).

        Args:
            pictures: N x 3 x H x W, RGB, range [0, 1]; any size of at least one pixel.
            references: Likewise, of the same size.

        Returns:
            N distances, 0 or more.

        Raises:
            PictureError: The sizes differ.
        """
        check_same_size(pictures, references)
        # One by one, so that neither rounding nor memory depends on the rest of the batch.
        pairs = zip(pictures[:, None], references[:, None], strict=True)
        return torch.stack([self._distance(picture, reference) for picture, reference in pairs])

    def _distance(self, picture: Tensor, reference: Tensor) -> Tensor:
        mean, variance = self._moments(picture, reference)
        texture = mean[2].square() / (mean[0].square() + mean[1].square() + _C1)
        structure = variance[2] / (variance[0] + variance[1] + _C2)
        weights = self.alpha.double().sum() + self.beta.double().sum()
        return ((self.alpha * texture + self.beta * structure).sum() / weights).float()

    def _moments(self, picture: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Means and variances of each channel, 3 x 1475 in float64: of picture, reference, and their difference."""
        sums = torch.zeros(3, 3, len(self.alpha), dtype=torch.float64, device=picture.device)
        bands = (banded_features(p, self._normalize, self.features, VGG16_TAPS) for p in (picture, reference))
        for found, wanted in zip(*bands, strict=True):
            stages = zip(found, wanted, strict=True)
            sums += torch.cat([_power_sums(x.double(), y.double()) for x, y in stages], 2)
        positions, total, squares = sums.unbind(1)
        mean = total / positions
        # Rounding can make a variance negative.
        return mean, (squares / positions - mean.square()).clamp(min=0)

    def _normalize(self, pixels: Tensor) -> Tensor:
        return (pixels - self.mean) / self.std


def load_dists(path: Path) -> DISTS:
    """Load DISTS with torchvision's published VGG16, frozen, in evaluation mode.

    Args:
        path: vgg16-397923af.pth of https://download.pytorch.org/models.

    Raises:
        ModelError: The file is missing, damaged, or of another network.
    """
    network = DISTS()
    load_features(network, path, "vgg16-397923af.pth")
    return network.requires_grad_(False).eval()


def _power_sums(x: Tensor, y: Tensor) -> Tensor:
    """Of x, y and x - y, 1 x C x h x w in float64, the sums of the powers 0, 1 and 2 over the positions: 3 x 3 x C.

    A variance is the difference of two such sums: float64 keeps enough of its digits.
    """
    return torch.stack([torch.stack([(v**power).sum((0, 2, 3)) for power in (0, 1, 2)]) for v in (x, y, x - y)])
