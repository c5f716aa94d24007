"""Recipes: the ranges and probabilities from which a degradation draws its parameters.

Source of the scheme: X. Wang et al., "Real-ESRGAN", ICCVW 2021, arXiv:2107.10833, section 3.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from aimanga.config import Config, Range, load, recipe_file

ResizeMode = Literal["area", "bilinear", "bicubic", "lanczos", "matlab"]
BlurKind = Literal[
    "isotropic",
    "anisotropic",
    "generalized_isotropic",
    "generalized_anisotropic",
    "plateau_isotropic",
    "plateau_anisotropic",
    "disk",
    "motion",
]
Direction = Literal["up", "down", "keep"]
NoiseKind = Literal["gaussian", "poisson", "camera"]
Codec = Literal["jpeg", "webp", "avif"]

Probability = Annotated[float, Field(ge=0, le=1)]


def _adds_up(shares: Mapping[str, float]) -> Mapping[str, float]:
    total = sum(shares.values())
    if abs(total - 1) > 1e-6:
        raise ValueError(f"the probabilities {', '.join(f'{k} {v:g}' for k, v in shares.items())} are {total:g}, not 1")
    return shares


def _positive(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] <= 0:
        raise ValueError(f"the lower end {limits[0]:g} is not above 0")
    return limits


def _within(low: float, high: float = math.inf) -> AfterValidator:
    def check(limits: tuple[float, float]) -> tuple[float, float]:
        if not low <= limits[0] <= limits[1] <= high:
            raise ValueError(f"{limits[0]:g} to {limits[1]:g} is not within {low:g} to {high:g}, the lower end first")
        return limits

    return AfterValidator(check)


def _odd(sizes: tuple[int, int]) -> tuple[int, int]:
    if not 1 <= sizes[0] <= sizes[1] or sizes[0] % 2 == 0 or sizes[1] % 2 == 0:
        raise ValueError(f"sides of kernels are odd, the smaller one first, not {sizes[0]} and {sizes[1]}")
    return sizes


Positive = Annotated[Range, AfterValidator(_positive)]
Strength = Annotated[Range, _within(0)]
Quality = Annotated[tuple[int, int], _within(1, 100)]
Sizes = Annotated[tuple[int, int], AfterValidator(_odd)]


class Blur(Config):
    """How a stage blurs."""

    probability: Probability = 1.0
    """Probability of a blur."""
    size: Sizes
    """Smallest and largest side of the kernel in pixels, odd; uniform over the odd numbers between."""
    sinc: Probability
    """Probability of a sinc kernel, which rings at edges; otherwise it is one of `kinds`."""
    kinds: Annotated[dict[BlurKind, Probability], AfterValidator(_adds_up)]
    """Probabilities of the other kinds of kernels, which add up to 1. The kinds are listed below."""
    sigma: Positive
    """Standard deviation of the Gaussian kinds in pixels; of the anisotropic ones along each axis, at any angle."""
    generalized_beta: Positive = (0.5, 4.0)
    """Exponent of the generalized Gaussians: half of them below 1, half above."""
    plateau_beta: Positive = (1.0, 2.0)
    """Exponent of the plateau kernels, likewise."""
    disk_radius: Positive = (1.0, 3.0)
    """Radius of defocus, in pixels."""
    motion_length: Positive = (2.0, 10.0)
    """Length of the motion in pixels, at any angle."""


class Resize(Config):
    """How a stage resizes."""

    directions: Annotated[dict[Direction, Probability], AfterValidator(_adds_up)]
    """Probabilities of upscaling (up), downscaling (down) and neither (keep), which add up to 1."""
    factor: Positive
    """Smallest and largest factor, relative to the size that the picture would have without this stage."""
    modes: Annotated[dict[ResizeMode, Probability], AfterValidator(_adds_up)]
    """Probabilities of the modes area, bilinear, bicubic, lanczos and matlab, which add up to 1."""

    @model_validator(mode="after")
    def _spans_one(self) -> Self:
        if not self.factor[0] <= 1 <= self.factor[1]:
            raise ValueError(f"factor: smaller and larger meet at 1, which is not within {self.factor}")
        return self


class Noise(Config):
    """How a stage adds noise."""

    probability: Probability = 1.0
    """Probability of noise."""
    kinds: Annotated[dict[NoiseKind, Probability], AfterValidator(_adds_up)]
    """Probabilities of the kinds gaussian, poisson and camera, which add up to 1."""
    gaussian_sigma: Strength = (1.0, 30.0)
    """Standard deviation of the Gaussian noise in levels of 255."""
    poisson_scale: Strength = (0.05, 3.0)
    """Strength of the Poisson noise."""
    gray: Probability
    """Probability of gray noise, equal in all channels; camera noise is always in colour."""
    camera_shot: Positive = (0.0005, 0.01)
    """Camera noise: variance for each unit of linear light; log-uniform."""
    camera_read: Positive = (0.0005, 0.02)
    """Camera noise: standard deviation in the dark; log-uniform."""


class Sharpen(Config):
    """How a stage sharpens: by unsharp masking, as cameras and editors do."""

    probability: Probability
    """Probability of sharpening."""
    sigma: Positive = (0.5, 2.0)
    """Standard deviation in pixels of the Gaussian whose residual is added."""
    amount: Strength = (0.2, 1.5)
    """Weight of the residual."""


class Compression(Config):
    """How a picture is compressed."""

    probability: Probability = 1.0
    """Probability of compression."""
    codecs: Annotated[dict[Codec, Probability], AfterValidator(_adds_up)]
    """Probabilities of the codecs jpeg, webp and avif, which add up to 1."""
    jpeg_quality: Quality = (30, 95)
    """Lowest and highest quality of JPEG."""
    webp_quality: Quality = (30, 95)
    """The same of WebP."""
    avif_quality: Quality = (30, 90)
    """The same of AVIF."""
    subsampled: Probability = 1.0
    """Probability that JPEG and AVIF store chroma at half the resolution; WebP always does."""


class Stage(Config):
    """One order of the degradation: what happens each time a picture is taken, edited or shared."""

    blur: Blur | None = None
    """The blur; none if left out."""
    resize: Resize | None = None
    """The resizing after the blur; none if left out."""
    noise: Noise | None = None
    """The noise after resizing; none if left out."""
    sharpen: Sharpen | None = None
    """The sharpening after the noise; none if left out."""
    compression: Compression | None = None
    """The compression at its end; none if left out."""


class Final(Config):
    """The final stage: to the LR size, and onto the web."""

    modes: Annotated[dict[ResizeMode, Probability], AfterValidator(_adds_up)]
    """Probabilities of the modes area, bilinear, bicubic, lanczos and matlab, which add up to 1."""
    sinc: Probability = 0.0
    """Probability of a sinc filter after resizing."""
    sinc_size: Sizes = (7, 21)
    """Smallest and largest side of its kernel in pixels, odd."""
    compression: Compression | None = None
    """The compression; none if left out."""
    resize_first: Probability = 1.0
    """Probability of resizing before compression instead of after it."""


class Recipe(Config):
    """A degradation: what makes an LR picture of an HR picture."""

    description: str
    """What it models, and where its numbers come from."""
    scale: Annotated[int, Field(ge=1, le=16)] = 4
    """HR size over LR size."""
    sharpen_source: bool = False
    """Sharpen HR pictures by USM first, as Real-ESRGAN does."""
    stages: tuple[Stage, ...] = ()
    """The stages before the final one, in order."""
    final: Final
    """The final stage."""


DEGRADATIONS = ("aimanga", "realesrgan", "light", "bicubic")
"""The recipes that come with the package, by name; the files are `degrade-NAME.toml`."""

DEFAULT_DEGRADATION = "aimanga"


def degradation_file(recipe: str | Path) -> Path:
    """The file of a recipe: one of `DEGRADATIONS` by its name, or a file by its path."""
    return recipe_file("degrade", recipe, DEGRADATIONS)


def load_degradation(recipe: str | Path | Recipe) -> Recipe:
    """Read a recipe.

    Args:
        recipe: One of `DEGRADATIONS`, a TOML file, or a recipe, which is returned.

    Raises:
        UsageError: The file is missing or is not a recipe; the message names everything that is wrong.
    """
    return recipe if isinstance(recipe, Recipe) else load(Recipe, degradation_file(recipe))
