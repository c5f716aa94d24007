"""The metrics: one visible list of what each needs, its protocol and its source."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

import torch
from torch import Tensor

from aimanga import weights
from aimanga.errors import UsageError
from aimanga.metrics import ntire
from aimanga.metrics.brisque import brisque
from aimanga.metrics.clip_iqa import load_clip_iqa
from aimanga.metrics.dists import load_dists
from aimanga.metrics.lpips import load_lpips
from aimanga.metrics.maniqa import load_maniqa
from aimanga.metrics.musiq import load_musiq
from aimanga.metrics.niqe import niqe
from aimanga.metrics.nrqm import load_nrqm
from aimanga.metrics.pi import perceptual_index
from aimanga.metrics.psnr import psnr
from aimanga.metrics.ssim import ssim


class LoadedMetric(Protocol):
    """A metric that is ready to run."""

    def __call__(self, pictures: Tensor, references: Tensor | None) -> Tensor:
        """Score pictures.

        Args:
            pictures: N x 3 x H x W, float32, range [0, 1], rounded to 8 bits.
            references: Likewise; None for metrics that need none.

        Returns:
            N scores.

        Raises:
            PictureError: The pictures are too small.
        """


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
        name: Its name on the command line.
        title: Its name in papers.
        better: Whether higher or lower scores are better.
        smallest: The smallest picture, in pixels: the shorter and the longer side.
        protocol: The variant, colour space, range, crop and size: all that makes scores comparable.
        source: The paper.
        needs_reference: Whether it is a full-reference metric.
        weights: The files of `aimanga.weights` that it needs.
        license: The licence of its parameters or weights, as an SPDX identifier; empty if it has none.
        load: Loads it on a device; raises ModelError if weights are missing. None for a composite metric.
        parts: The metrics that a composite metric is composed of.
        combine: Computes the N scores of a composite metric from the N scores of each part.
    """

    name: str
    title: str
    better: Literal["higher", "lower"]
    smallest: tuple[int, int]
    protocol: str
    source: str
    needs_reference: bool = False
    weights: tuple[str, ...] = ()
    license: str = ""
    load: Callable[[torch.device], LoadedMetric] | None = None
    parts: tuple[str, ...] = ()
    combine: Callable[[Mapping[str, Tensor]], Tensor] | None = None


def _no_reference(score: Callable[[Tensor], Tensor]) -> LoadedMetric:
    return lambda pictures, references: score(pictures)


def _full_reference(score: Callable[[Tensor, Tensor], Tensor]) -> LoadedMetric:
    def run(pictures: Tensor, references: Tensor | None) -> Tensor:
        if references is None:
            raise ValueError("this metric needs references")
        return score(pictures, references)

    return run


_UT_AUSTIN = "LicenseRef-UT-Austin"

METRICS: tuple[Metric, ...] = (
    Metric(
        name="niqe",
        title="NIQE",
        better="lower",
        smallest=(96, 192),
        protocol="official MATLAB release: gray (rgb2gray, 8 bits), whole blocks of 96 x 96, no crop; window as one "
        "sum of 49 products in float64",
        source="Mittal, Soundararajan, Bovik, IEEE SPL 2013",
        license=_UT_AUSTIN,
        load=lambda device: _no_reference(niqe),
    ),
    Metric(
        name="brisque",
        title="BRISQUE",
        better="lower",
        smallest=(16, 16),
        protocol="official MATLAB release: gray (rgb2gray, 8 bits), no crop; window as one sum of 49 products in "
        "float64",
        source="Mittal, Moorthy, Bovik, IEEE TIP 2012",
        license=_UT_AUSTIN,
        load=lambda device: _no_reference(brisque),
    ),
    Metric(
        name="nrqm",
        title="NRQM",
        better="higher",
        smallest=(84, 84),
        weights=("nrqm",),
        protocol="official MATLAB release: gray (rgb2gray, 8 bits), no crop",
        source="Ma, Yang, Yang, Yang, CVIU 2017, arXiv:1612.05890",
        license="MIT",
        load=lambda device: _no_reference(load_nrqm(weights.find("nrqm"))),
    ),
    Metric(
        name="pi",
        title="PI",
        better="lower",
        smallest=(104, 200),
        weights=("nrqm",),
        protocol="PIRM 2018: (NIQE + 10 - NRQM) / 2, both on Y of BT.601 in video range, 8 bits, 4 pixels shaved",
        source="Blau et al., ECCVW 2018, arXiv:1809.07517",
        license="MIT",
        load=lambda device: _no_reference(partial(perceptual_index, nrqm=load_nrqm(weights.find("nrqm")))),
    ),
    Metric(
        name="clip_iqa",
        title="CLIP-IQA",
        better="higher",
        smallest=(31, 31),
        weights=("clip-rn50",),
        protocol="RN50 without positional embedding, 'Good photo.' against 'Bad photo.', own size, no crop",
        source="Wang, Chan, Loy, AAAI 2023, arXiv:2207.12396",
        license="MIT",
        load=lambda device: _no_reference(load_clip_iqa(weights.find("clip-rn50")).to(device)),
    ),
    Metric(
        name="musiq",
        title="MUSIQ",
        better="higher",
        smallest=(1, 1),
        weights=("musiq-koniq",),
        protocol="official KonIQ-10k weights and preprocessing: own size and long sides of 224 and 384, patches of 32",
        source="Ke et al., ICCV 2021, arXiv:2108.05997",
        license="Apache-2.0",
        load=lambda device: _no_reference(load_musiq(weights.find("musiq-koniq")).to(device)),
    ),
    Metric(
        name="maniqa",
        title="MANIQA",
        better="higher",
        smallest=(224, 224),
        weights=("maniqa-koniq",),
        protocol="official KonIQ-10k weights; 4 x 5 crops of 224 x 224 on an even grid in place of 20 random ones",
        source="Yang et al., CVPRW 2022, arXiv:2204.08958",
        license="Apache-2.0",
        load=lambda device: _no_reference(load_maniqa(weights.find("maniqa-koniq")).to(device)),
    ),
    Metric(
        name="psnr",
        title="PSNR",
        better="higher",
        needs_reference=True,
        smallest=(12, 12),
        protocol="Y of BT.601 in video range, not rounded, sizes cut to multiples of 4, 4 pixels shaved; dB",
        source="as NTIRE 2025 image super-resolution x4 computes it",
        load=lambda device: _full_reference(psnr),
    ),
    Metric(
        name="ssim",
        title="SSIM",
        better="higher",
        needs_reference=True,
        smallest=(20, 20),
        protocol="Y of BT.601 in video range, not rounded, sizes cut to multiples of 4, 4 pixels shaved; "
        "Gaussian window 11 x 11, sigma 1.5",
        source="Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004",
        load=lambda device: _full_reference(ssim),
    ),
    Metric(
        name="lpips",
        title="LPIPS",
        better="lower",
        needs_reference=True,
        smallest=(31, 31),
        weights=("alexnet",),
        protocol="version 0.1, AlexNet, own size, no crop",
        source="Zhang et al., CVPR 2018, arXiv:1801.03924",
        license="BSD-2-Clause AND BSD-3-Clause",
        load=lambda device: _full_reference(load_lpips("alex", weights.find("alexnet")).to(device)),
    ),
    Metric(
        name="lpips_vgg",
        title="LPIPS (VGG)",
        better="lower",
        needs_reference=True,
        smallest=(16, 16),
        weights=("vgg16",),
        protocol="version 0.1, VGG16, own size, no crop",
        source="Zhang et al., CVPR 2018, arXiv:1801.03924",
        license="BSD-2-Clause AND BSD-3-Clause",
        load=lambda device: _full_reference(load_lpips("vgg", weights.find("vgg16")).to(device)),
    ),
    Metric(
        name="dists",
        title="DISTS",
        better="lower",
        needs_reference=True,
        smallest=(1, 1),
        weights=("vgg16",),
        protocol="own size (the authors' script shrinks to 256 first, challenges do not), no crop",
        source="Ding, Ma, Wang, Simoncelli, IEEE TPAMI 2022, arXiv:2004.07728",
        license="MIT AND BSD-3-Clause",
        load=lambda device: _full_reference(load_dists(weights.find("vgg16")).to(device)),
    ),
    Metric(
        name="ntire_perceptual",
        title="NTIRE perceptual",
        better="higher",
        needs_reference=True,
        smallest=(224, 224),
        weights=("alexnet", "vgg16", "clip-rn50", "maniqa-koniq", "musiq-koniq"),
        protocol="(1 - LPIPS) + (1 - DISTS) + CLIP-IQA + MANIQA + MUSIQ/100 + max(0, (10 - NIQE)/10), each as here",
        source="Chen et al., NTIRE 2025, arXiv:2504.14582",
        parts=ntire.PARTS,
        combine=ntire.perceptual_score,
    ),
)
"""The metrics: one visible list."""


def find_metric(name: str) -> Metric:
    """Look up a metric by its name.

    Raises:
        UsageError: There is none of this name.
    """
    for metric in METRICS:
        if metric.name == name.strip().lower().replace("-", "_"):
            return metric
    names = ", ".join(metric.name for metric in METRICS)
    raise UsageError(f"{name}: there is no metric of this name. Available are: {names}")
