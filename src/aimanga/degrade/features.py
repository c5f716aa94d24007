"""Features of how a picture is damaged, and the distance between two sets of them.

Sources: `aimanga.scene_statistics` (36 features); D. Field, "Relations between the statistics of natural images and the
response properties of cortical cells", JOSA A 4(12), 1987 (the slope of the spectrum); J. Immerkaer, "Fast noise
variance estimation", Computer Vision and Image Understanding 64(2), 1996; N. Bonneel et al., "Sliced and Radon
Wasserstein barycenters of measures", J. Mathematical Imaging and Vision 51, 2015 (the distance).
"""

import math
from functools import lru_cache
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from aimanga.scene_statistics import brisque_features
from aimanga.tensors import gray

_SCALE_NAMES = (
    "shape", "variance",
    *(f"{way} {fit}" for way in ("right", "below", "falling", "rising") for fit in ("shape", "mean", "left", "right")),
)  # fmt: skip
FEATURES: tuple[str, ...] = (
    *(f"{name}, scale {scale}" for scale in (1, 2) for name in _SCALE_NAMES),
    "spectrum, coarse slope",
    "spectrum, fine slope",
    "blockiness",
    "noise",
    "blue-yellow noise",
    "red-green noise",
)
"""The names of the features, in their order."""

_BLOCK = 8


def damage_features(x: Tensor) -> Tensor:
    """How pictures are damaged, in 42 features, on scales without long tails.

    Args:
        x: N x 3 x H x W, range [0, 1], 32 pixels a side or more.

    Returns:
        N x 42, in the order of `FEATURES`.
    """
    luma = gray(x)
    scene = brisque_features(luma * 255).to(x.dtype)
    signed = torch.tensor(["mean" in name for name in FEATURES[:36]], device=x.device)
    scene = torch.where(signed, scene, scene.clamp(min=1e-3).log())
    coarse, fine = _spectrum_slopes(luma)
    noise = [_noise_level(plane) for plane in (luma, x[:, 2:] - luma, x[:, :1] - luma)]
    return torch.cat([scene, torch.stack([coarse, fine, _blockiness(luma), *noise], 1)], 1)


def _spectrum_slopes(luma: Tensor) -> tuple[Tensor, Tensor]:
    """By which power the spectrum falls, below and above a fifth of a cycle a pixel; 2 for undamaged photos."""
    height, width = luma.shape[2:]
    window = torch.hann_window(height, device=luma.device)[:, None] * torch.hann_window(width, device=luma.device)
    power = torch.fft.rfft2((luma - luma.mean((2, 3), keepdim=True)) * window).abs().square()[:, 0]
    radius = torch.hypot(
        torch.fft.fftfreq(height, device=luma.device)[:, None], torch.fft.rfftfreq(width, device=luma.device)
    )
    slopes = []
    for low, high in ((0.04, 0.2), (0.2, 0.5)):
        edges = torch.logspace(math.log10(low), math.log10(high), 7, device=luma.device)
        bands = [(radius >= a) & (radius < b) for a, b in pairwise(edges)]
        bands = [band for band in bands if band.any()]
        place = torch.stack([radius[band].log().mean() for band in bands])
        level = torch.stack([(power[:, band].mean(1) + 1e-9).log() for band in bands], 1)
        place = place - place.mean()
        slopes.append(-(level * place).sum(1) / place.square().sum())
    return slopes[0], slopes[1]


def _blockiness(luma: Tensor) -> Tensor:
    """The log ratio of the steps between columns, and rows, at the strongest of 8 phases to those at the others.

    The phase is unknown, since a picture can have been cropped.
    """
    found: list[Tensor] = []
    for plane in (luma, luma.transpose(2, 3)):
        steps = plane.diff(dim=3).abs().mean((1, 2))  # N x columns
        whole = steps[:, : steps.shape[1] // _BLOCK * _BLOCK].reshape(len(steps), -1, _BLOCK).mean(1)
        largest = whole.amax(1)
        rest = (whole.sum(1) - largest) / (_BLOCK - 1)
        found.append(((largest + 1e-3) / (rest + 1e-3)).log())
    return (found[0] + found[1]) / 2


def _noise_level(plane: Tensor) -> Tensor:
    """The log of the noise sigma: the response to a difference of Laplacians in the smoothest quarter of the tiles."""
    mask = plane.new_tensor([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]).view(1, 1, 3, 3)
    deviation = F.conv2d(plane, mask).abs() * (math.sqrt(math.pi / 2) / 6)
    tiles = F.avg_pool2d(deviation, _BLOCK).flatten(1)
    return (tiles.quantile(0.25, dim=1) * 255 + 0.1).log()


def distance(found: Tensor, wanted: Tensor) -> float:
    """The squared sliced Wasserstein distance of two sets of feature vectors.

    The mean squared Wasserstein distance of the projections onto the features themselves and onto random directions,
    in units of the standard deviation of each wanted feature. 0 for equal sets.

    The Frechet distance would assume that both sets are normal; the results of recipes are mixtures (some pictures with
    noise, some without), whose shape this distance sees.

    Args:
        found: N x features.
        wanted: M x features.
    """
    spread = wanted.std(0).clamp(min=1e-3)
    directions = _directions(wanted.shape[1]).to(wanted)
    quantiles = (torch.arange(200, dtype=wanted.dtype, device=wanted.device) + 0.5) / 200
    seen = [((x / spread) @ directions.T).quantile(quantiles, dim=0) for x in (found, wanted)]
    return float((seen[0] - seen[1]).square().mean())


@lru_cache(maxsize=4)
def _directions(features: int) -> Tensor:
    generator = Generator().manual_seed(0)
    oblique = F.normalize(torch.randn(3 * features, features, generator=generator), dim=1)
    return torch.cat([torch.eye(features), oblique])
