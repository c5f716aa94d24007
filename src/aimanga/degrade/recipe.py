"""Recipes: from where to where, and how often, a degradation draws its parameters.

Source of the scheme: X. Wang et al., "Real-ESRGAN", ICCVW 2021, arXiv:2107.10833, section 3.
"""

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


def _no_less_than_0(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] < 0:
        raise ValueError(f"the lower end {limits[0]:g} is below 0")
    return limits


def _percent(limits: tuple[int, int]) -> tuple[int, int]:
    if not 1 <= limits[0] <= limits[1] <= 100:
        raise ValueError(f"{limits[0]} to {limits[1]} is not within 1 to 100, the lower end first")
    return limits


def _odd(sizes: tuple[int, int]) -> tuple[int, int]:
    if not 1 <= sizes[0] <= sizes[1] or sizes[0] % 2 == 0 or sizes[1] % 2 == 0:
        raise ValueError(f"sides of kernels are odd, the smaller one first, not {sizes[0]} and {sizes[1]}")
    return sizes


Positive = Annotated[Range, AfterValidator(_positive)]
Strength = Annotated[Range, AfterValidator(_no_less_than_0)]
Quality = Annotated[tuple[int, int], AfterValidator(_percent)]
Sizes = Annotated[tuple[int, int], AfterValidator(_odd)]


class Blur(Config):
    """How a stage blurs."""

    probability: Probability = 1.0
    """How often there is a blur at all."""
    size: Sizes
    """Smallest and largest side of the kernel in pixels, odd; all odd numbers between are as likely."""
    sinc: Probability
    """How often the kernel is a sinc filter, which rings at edges; else it is one of `kinds`."""
    kinds: Annotated[dict[BlurKind, Probability], AfterValidator(_adds_up)]
    """How often each other kind of kernel is drawn; they add up to 1. The kinds are listed below."""
    sigma: Positive
    """Deviation of the Gaussian kinds in pixels; of the anisotropic ones along each axis, with any angle."""
    generalized_beta: Positive = (0.5, 4.0)
    """Exponent of the generalized Gaussians: half of them below 1, half above."""
    plateau_beta: Positive = (1.0, 2.0)
    """Exponent of the plateau kernels, drawn likewise."""
    disk_radius: Positive = (1.0, 3.0)
    """Radius of the lens out of focus, in pixels."""
    motion_length: Positive = (2.0, 10.0)
    """Length of the motion in pixels, with any angle."""


class Resize(Config):
    """How a stage resizes."""

    directions: Annotated[dict[Direction, Probability], AfterValidator(_adds_up)]
    """How often it gets larger (up), smaller (down), or stays (keep); they add up to 1."""
    factor: Positive
    """Smallest and largest factor, of the height and width that the picture would have without this stage."""
    modes: Annotated[dict[ResizeMode, Probability], AfterValidator(_adds_up)]
    """How often each way of resizing is drawn: area, bilinear, bicubic, lanczos, matlab; they add up to 1."""

    @model_validator(mode="after")
    def _spans_one(self) -> Self:
        if not self.factor[0] <= 1 <= self.factor[1]:
            raise ValueError(f"factor: smaller and larger meet at 1, which is not within {self.factor}")
        return self


class Noise(Config):
    """How a stage adds noise."""

    probability: Probability = 1.0
    """How often there is noise at all."""
    kinds: Annotated[dict[NoiseKind, Probability], AfterValidator(_adds_up)]
    """How often each kind is drawn: gaussian, poisson, camera; they add up to 1."""
    gaussian_sigma: Strength = (1.0, 30.0)
    """Deviation of the Gaussian noise in levels of 255."""
    poisson_scale: Strength = (0.05, 3.0)
    """Strength of the Poisson noise."""
    gray: Probability
    """How often all channels get the same noise; camera noise is always in colour."""
    camera_shot: Positive = (0.0005, 0.01)
    """Camera noise: variance for each unit of linear light; drawn evenly on a logarithmic scale."""
    camera_read: Positive = (0.0005, 0.02)
    """Camera noise: deviation in the dark; drawn likewise."""


class Sharpen(Config):
    """How a stage sharpens: by unsharp masking, as cameras and editors do."""

    probability: Probability
    """How often."""
    sigma: Positive = (0.5, 2.0)
    """Deviation of the Gaussian whose blur is taken away, in pixels."""
    amount: Strength = (0.2, 1.5)
    """How many times what the blur takes is added."""


class Compression(Config):
    """How a picture is compressed."""

    probability: Probability = 1.0
    """How often it is compressed at all."""
    codecs: Annotated[dict[Codec, Probability], AfterValidator(_adds_up)]
    """How often each codec is drawn: jpeg, webp, avif; they add up to 1."""
    jpeg_quality: Quality = (30, 95)
    """Lowest and highest quality of JPEG."""
    webp_quality: Quality = (30, 95)
    """The same of WebP."""
    avif_quality: Quality = (30, 90)
    """The same of AVIF."""
    subsampled: Probability = 1.0
    """How often JPEG and AVIF keep colour at half the resolution; WebP always does."""


class Stage(Config):
    """One order of the degradation: what happens each time a picture is taken, edited or passed on."""

    blur: Blur | None = None
    """How it blurs; left out, it does not."""
    resize: Resize | None = None
    """How it resizes, after the blur; left out, it does not."""
    noise: Noise | None = None
    """The noise it adds, after resizing; left out, none."""
    sharpen: Sharpen | None = None
    """How it sharpens, after the noise; left out, it does not."""
    compression: Compression | None = None
    """How it compresses, at its end; left out, it does not."""


class Final(Config):
    """The last stage: to the wanted size, and out into the web."""

    modes: Annotated[dict[ResizeMode, Probability], AfterValidator(_adds_up)]
    """How often each way of resizing is drawn: area, bilinear, bicubic, lanczos, matlab; they add up to 1."""
    sinc: Probability = 0.0
    """How often a sinc filter follows the resizing."""
    sinc_size: Sizes = (7, 21)
    """Smallest and largest side of its kernel in pixels, odd."""
    compression: Compression | None = None
    """How it compresses; left out, it does not."""
    resize_first: Probability = 1.0
    """How often the resizing comes before the compression; else it comes after it."""


class Recipe(Config):
    """A degradation: what makes a picture of low resolution of one of high resolution."""

    description: str
    """What it stands for, and where its numbers come from."""
    scale: Annotated[int, Field(ge=1, le=16)] = 4
    """By how much height and width get smaller in all."""
    sharpen_source: bool = False
    """Whether pictures of high resolution are sharpened by unsharp masking before all else, as Real-ESRGAN does."""
    stages: tuple[Stage, ...] = ()
    """One after the other, before the last one."""
    final: Final
    """The last stage."""


DEGRADATIONS = ("aimanga", "realesrgan", "bicubic")
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
