"""The list of metrics: what each needs, how it looks at a picture, and where it comes from."""

from collections.abc import Callable
from dataclasses import dataclass
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


class Measure(Protocol):
    """A metric that is ready to run."""

    def __call__(self, pictures: Tensor, references: Tensor | None) -> Tensor:
        """Score N x 3 x H x W, float32, range [0, 1], samples of 8 bits, against as many references or none: N."""


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
        name: How users call it.
        title: How papers write it.
        better: Whether a good picture's score is high or low.
        needs_reference: Whether it compares with the picture as it should be.
        smallest: The smallest sizes that it takes, in pixels: of the shorter side, and of the longer one.
        weights: The files of `aimanga.weights` that it needs.
        protocol: How it looks at a picture: variant, colours, range, crop, size.
        source: The paper.
        license: Of the parameters or weights, as an SPDX identifier; what has none needs none.
        load: Makes it ready on a device; ModelError where weights are missing. None for a sum of other metrics.
        parts: The metrics that it is a sum of.
    """

    name: str
    title: str
    better: Literal["higher", "lower"]
    needs_reference: bool
    smallest: tuple[int, int]
    weights: tuple[str, ...]
    protocol: str
    source: str
    license: str
    load: Callable[[torch.device], Measure] | None
    parts: tuple[str, ...] = ()


def _without_reference(measure: Callable[[Tensor], Tensor]) -> Measure:
    def run(pictures: Tensor, references: Tensor | None) -> Tensor:
        return measure(pictures)

    return run


def _with_reference(measure: Callable[[Tensor, Tensor], Tensor]) -> Measure:
    def run(pictures: Tensor, references: Tensor | None) -> Tensor:
        if references is None:
            raise ValueError("this metric needs references")
        return measure(pictures, references)

    return run


def _load_pi(device: torch.device) -> Measure:
    nrqm = load_nrqm(weights.find("nrqm"))
    return _without_reference(lambda pictures: perceptual_index(pictures, nrqm))


_UT_AUSTIN = "LicenseRef-UT-Austin"
_8_BITS = "RGB as stored, rounded to 8 bits"

METRICS: tuple[Metric, ...] = (
    Metric(
        name="niqe",
        title="NIQE",
        better="lower",
        needs_reference=False,
        smallest=(96, 192),
        weights=(),
        protocol="official MATLAB release: gray (rgb2gray, 8 bits), whole blocks of 96 x 96, no crop; window as one "
        "sum of 49 products in float64",
        source="Mittal, Soundararajan, Bovik, IEEE SPL 2013",
        license=_UT_AUSTIN,
        load=lambda device: _without_reference(niqe),
    ),
    Metric(
        name="brisque",
        title="BRISQUE",
        better="lower",
        needs_reference=False,
        smallest=(16, 16),
        weights=(),
        protocol="official MATLAB release: gray (rgb2gray, 8 bits), no crop; window as one sum of 49 products in "
        "float64",
        source="Mittal, Moorthy, Bovik, IEEE TIP 2012",
        license=_UT_AUSTIN,
        load=lambda device: _without_reference(brisque),
    ),
    Metric(
        name="nrqm",
        title="NRQM",
        better="higher",
        needs_reference=False,
        smallest=(84, 84),
        weights=("nrqm",),
        protocol="official MATLAB release: gray (rgb2gray, 8 bits), no crop",
        source="Ma, Yang, Yang, Yang, CVIU 2017, arXiv:1612.05890",
        license="MIT",
        load=lambda device: _without_reference(load_nrqm(weights.find("nrqm"))),
    ),
    Metric(
        name="pi",
        title="PI",
        better="lower",
        needs_reference=False,
        smallest=(104, 200),
        weights=("nrqm",),
        protocol="PIRM 2018: (NIQE + 10 - NRQM) / 2, both on Y of BT.601 in video range, 8 bits, 4 pixels shaved",
        source="Blau et al., ECCVW 2018, arXiv:1809.07517",
        license="MIT",
        load=_load_pi,
    ),
    Metric(
        name="clip_iqa",
        title="CLIP-IQA",
        better="higher",
        needs_reference=False,
        smallest=(31, 31),
        weights=("clip-rn50",),
        protocol="RN50 without positional embedding, 'Good photo.' against 'Bad photo.', own size, no crop",
        source="Wang, Chan, Loy, AAAI 2023, arXiv:2207.12396",
        license="MIT",
        load=lambda device: _without_reference(load_clip_iqa(weights.find("clip-rn50")).to(device)),
    ),
    Metric(
        name="musiq",
        title="MUSIQ",
        better="higher",
        needs_reference=False,
        smallest=(1, 1),
        weights=("musiq-koniq",),
        protocol="official KonIQ-10k weights and preprocessing: own size and long sides of 224 and 384, patches of 32",
        source="Ke et al., ICCV 2021, arXiv:2108.05997",
        license="Apache-2.0",
        load=lambda device: _without_reference(load_musiq(weights.find("musiq-koniq")).to(device)),
    ),
    Metric(
        name="maniqa",
        title="MANIQA",
        better="higher",
        needs_reference=False,
        smallest=(224, 224),
        weights=("maniqa-koniq",),
        protocol="official KonIQ-10k weights; 4 x 5 crops of 224 x 224 on an even grid in place of 20 random ones",
        source="Yang et al., CVPRW 2022, arXiv:2204.08958",
        license="Apache-2.0",
        load=lambda device: _without_reference(load_maniqa(weights.find("maniqa-koniq")).to(device)),
    ),
    Metric(
        name="psnr",
        title="PSNR",
        better="higher",
        needs_reference=True,
        smallest=(12, 12),
        weights=(),
        protocol="Y of BT.601 in video range, not rounded, sizes cut to multiples of 4, 4 pixels shaved; dB",
        source="as NTIRE 2025 image super-resolution x4 computes it",
        license="",
        load=lambda device: _with_reference(psnr),
    ),
    Metric(
        name="ssim",
        title="SSIM",
        better="higher",
        needs_reference=True,
        smallest=(20, 20),
        weights=(),
        protocol="Y of BT.601 in video range, not rounded, sizes cut to multiples of 4, 4 pixels shaved; "
        "Gaussian window 11 x 11, sigma 1.5",
        source="Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004",
        license="",
        load=lambda device: _with_reference(ssim),
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
        load=lambda device: _with_reference(load_lpips("alex", weights.find("alexnet")).to(device)),
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
        load=lambda device: _with_reference(load_lpips("vgg", weights.find("vgg16")).to(device)),
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
        load=lambda device: _with_reference(load_dists(weights.find("vgg16")).to(device)),
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
        license="",
        load=None,
        parts=ntire.PARTS,
    ),
)
"""All metrics: one visible list."""


def find_metric(name: str) -> Metric:
    """Look up a metric by its name.

    Raises:
        UsageError: There is none of this name.
    """
    for metric in METRICS:
        if metric.name == name.strip().lower().replace("-", "_"):
            return metric
    names = ", ".join(metric.name for metric in METRICS)
    raise UsageError(f"{name}: there is no metric of this name. There are: {names}")
