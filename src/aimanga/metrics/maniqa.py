"""MANIQA: a transformer that scores a picture by attention across channels and across space.

Sources: S. Yang et al., "MANIQA: Multi-dimension Attention Network for No-Reference Image Quality Assessment", CVPRW
2022, arXiv:2204.08958, with the official IIGROUP/MANIQA (Apache-2.0) for the details and the names of the parameters.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aimanga.metrics.levels import require_size
from aimanga.metrics.swin_blocks import ScaleSwin
from aimanga.metrics.vit import VisionTransformer
from aimanga.tensor_files import load_weights, read_tensors
from aimanga.weights import weight_file

CROPS = (4, 5)
"""Crops along the short and the long side of a picture: 20, as many as the official prediction draws."""

# The blocks of the ViT whose tokens are the features.
_TAPS = (6, 7, 8, 9)

# The batch size in crops, of about 150 MB each.
_CHUNK = 4


def crop_positions(height: int, width: int, crop: int) -> list[tuple[int, int]]:
    """Place square crops on an even grid.

    Along each side the possible positions are divided into equal parts, 4 for the short side and 5 for the long one
    (the width, if the picture is square), and the middle of each part is a position. The mean over these crops is
    close to that over uniformly random ones. Crops that coincide count once: a picture of the crop's size has one.

    Args:
        height: Rows of the picture, at least `crop`.
        width: Columns of the picture, at least `crop`.
        crop: Side of a crop.

    Returns:
        Top and left of each crop, in row-major order.
    """
    down, across = CROPS if height <= width else CROPS[::-1]
    return [(top, left) for top in _evenly(height - crop, down) for left in _evenly(width - crop, across)]


def _evenly(last: int, number: int) -> list[int]:
    return sorted({(2 * part + 1) * last // (2 * number) for part in range(number)})


class TABlock(nn.Module):
    """Transposed attention with a residual: channels attend to channels, over all positions.

    Args:
        places: Number of positions of the grid.
    """

    def __init__(self, places: int) -> None:
        super().__init__()
        self.c_q = nn.Linear(places, places)
        self.c_k = nn.Linear(places, places)
        self.c_v = nn.Linear(places, places)

    def forward(self, x: Tensor) -> Tensor:
        """Map N x C x places to the same shape."""
        attended = F.scaled_dot_product_attention(self.c_q(x), self.c_k(x), self.c_v(x))
        # Transposed, but reshaped as if it were not: the published weights were trained like this.
        return x + attended.transpose(1, 2).reshape(x.shape)


class MANIQA(nn.Module):
    """No-reference quality of a picture as people judge it; higher is better.

    With the file for KonIQ-10k scores are about 0 to 1, the worst and the best mean opinion score of that data set.
    The defaults are the published configuration, with 135,747,530 parameters.

    The official prediction is the mean over 20 random crops of 224 x 224, so it varies from run to run. Here the 20
    crops lie on a fixed grid (`crop_positions`): the score is close to the expected value of the official one, and
    the same picture always gets the same score. (The official training for KonIQ-10k resizes whole pictures to
    224 x 224; the official prediction takes crops.)

    Crops are scored a few at a time, so memory does not grow with the picture.

    Args:
        crop: Side of a crop in pixels, a multiple of 4 `patch`.
        patch: Side of a patch in pixels.
        width: Features of a token, a multiple of 8 and of `heads`.
        depth: Blocks of the ViT, at least 10.
        heads: Heads of the ViT's attention.
        hidden: Hidden features of the MLPs of the Swin blocks.
    """

    def __init__(
        self,
        *,
        crop: int = 224,
        patch: int = 8,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        hidden: int = 768,
    ) -> None:
        super().__init__()
        self.crop = crop
        side = crop // patch
        half = width // 2
        self.vit = VisionTransformer(_TAPS, side=crop, patch=patch, width=width, depth=depth, heads=heads)
        self.tablock1 = nn.Sequential(TABlock(side**2), TABlock(side**2))
        self.conv1 = nn.Conv2d(len(_TAPS) * width, width, 1)
        self.swintransformer1 = _swin(side, width, hidden)
        self.tablock2 = nn.Sequential(TABlock(side**2), TABlock(side**2))
        self.conv2 = nn.Conv2d(width, half, 1)
        self.swintransformer2 = _swin(side, half, hidden)
        self.fc_score = _head(half, nn.ReLU())
        self.fc_weight = _head(half, nn.Sigmoid())

    def forward(self, pictures: Tensor) -> Tensor:
        """Score pictures.

        Args:
            pictures: N x 3 x H x W, float32, RGB, range [0, 1]; H and W are at least `crop`.

        Returns:
            N scores, float32, 0 or more.

        Raises:
            PictureError: The pictures are too small.
        """
        require_size(pictures, "MANIQA", self.crop)
        # One by one, so that neither rounding nor memory depends on the rest of the batch.
        return torch.stack([self._score(picture) for picture in pictures])

    def _score(self, picture: Tensor) -> Tensor:
        _, height, width = picture.shape
        positions = crop_positions(height, width, self.crop)
        crops = [picture[:, top : top + self.crop, left : left + self.crop] for top, left in positions]
        chunks = (torch.stack(crops[start : start + _CHUNK]) for start in range(0, len(crops), _CHUNK))
        return torch.cat([self.score_crops(chunk) for chunk in chunks]).mean()

    def score_crops(self, crops: Tensor) -> Tensor:
        """Score crops of the network's input size: the weighted mean of the scores of the patches, as in the paper.

        Args:
            crops: N x 3 x crop x crop, float32, RGB, range [0, 1].

        Returns:
            N scores, float32, 0 or more.
        """
        features = torch.cat([tokens[:, 1:] for tokens in self.vit(2 * crops - 1)], 2).transpose(1, 2)
        grid = (round(features.shape[2] ** 0.5),) * 2
        x = self.swintransformer1(self.conv1(self.tablock1(features).unflatten(2, grid)))
        x = self.swintransformer2(self.conv2(self.tablock2(x.flatten(2)).unflatten(2, grid)))
        patches = x.flatten(2).transpose(1, 2)
        scores, weights = self.fc_score(patches), self.fc_weight(patches)
        pooled: Tensor = (scores * weights).sum((1, 2)) / weights.sum((1, 2))
        return pooled


def _swin(side: int, width: int, hidden: int) -> ScaleSwin:
    return ScaleSwin(side, width, depths=(2, 2), window=4, heads=4, hidden=hidden, scale=0.8)


def _head(width: int, activation: nn.Module) -> nn.Sequential:
    # The identity stands for the dropout of the training: the published file numbers the layers with it.
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Identity(), nn.Linear(width, 1), activation)


def load_maniqa(path: Path) -> MANIQA:
    """Load MANIQA with the weights of an official file, such as `ckpt_koniq10k.pt`.

    Papers report the file for KonIQ-10k; that for KADID-10k can be loaded, too.

    Args:
        path: The file: the whole `state_dict` of the official network and nothing else.

    Returns:
        The network in float32, frozen, in evaluation mode.

    Raises:
        ModelError: The file is missing, damaged, or not of this network.
    """
    with torch.device("meta"):
        network = MANIQA()
    remedy = f"Get {weight_file('maniqa-koniq').url}"
    load_weights(network, read_tensors(path), f"{path}: these are not the weights of MANIQA", remedy=remedy)
    return network.requires_grad_(False).eval()
