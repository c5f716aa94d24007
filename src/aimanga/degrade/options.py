"""Options of `aimanga degrade preview`, `pairs` and `fit`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from aimanga.config import Config
from aimanga.degrade.recipe import DEFAULT_DEGRADATION, Recipe
from aimanga.options import MAX_PIXELS, Flag, Jobs, MaxPixels, Overwrite, Recursive, ReportFile, Seed

Degradation = Annotated[
    str | Path | Recipe,
    Flag(metavar="RECIPE"),
    Field(description="A name that `aimanga degrade recipes` lists, or a TOML file."),
]


class PreviewOptions(Config):
    """What a contact sheet of a recipe shows."""

    recipe: Degradation = DEFAULT_DEGRADATION
    samples: Annotated[int, Field(ge=1), Flag("-n")] = 8
    """Number of samples."""
    crop: Annotated[int, Field(ge=1)] = 400
    """Show a centre crop of this many pixels a side, at most."""
    seed: Seed = 0


class PairOptions(Config):
    """How pairs are made."""

    recipe: Degradation = DEFAULT_DEGRADATION
    per_image: Annotated[int, Field(ge=1), Flag("-n")] = 1
    """Number of pairs of each picture, each with draws of its own."""
    crop: Annotated[int | None, Field(ge=1), Flag(default="the whole picture")] = None
    """Side in pixels of a random crop of each picture; a multiple of the recipe's scale."""
    seed: Seed = 0
    recursive: Recursive = False
    overwrite: Overwrite = False
    max_pixels: MaxPixels = MAX_PIXELS
    jobs: Jobs = 1
    report: ReportFile = None


class FitOptions(Config):
    """How a recipe is fitted."""

    recipe: Annotated[str | Path | Recipe, Flag(metavar="RECIPE")] = "realesrgan"
    """The recipe to start from: the result has its stages, with other ranges and probabilities."""
    trials: Annotated[int, Field(ge=1)] = 150
    """Number of recipes to try."""
    samples: Annotated[int, Field(ge=2)] = 192
    """Number of patches to degrade for each; with few of them the search fits their draws."""
    seed: Seed = 0
    recursive: Recursive = False
