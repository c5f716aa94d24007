"""Options of `aimanga evaluate`, `score` and `testset build`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from aimanga.config import Config
from aimanga.degrade.options import Degradation
from aimanga.degrade.recipe import DEFAULT_DEGRADATION
from aimanga.options import MAX_PIXELS, Device, FirstPage, Flag, Jobs, MaxPixels, ReportFile, Seed


class EvaluateOptions(Config):
    """How pictures are scored and methods compared."""

    metrics: Annotated[tuple[str, ...], Flag("-m", default="all whose weights are here")] = ()
    """Names with commas between them, or `all`; `aimanga metrics` lists them."""
    reference: Path | None = None
    """The ground truth: a folder, where pictures are found by their names, or one file."""
    scale: Annotated[int, Field(ge=1, le=16)] = 4
    """The scale in the names of pictures: with 4, the reference of babyx4.png is baby.png."""
    recursive: Annotated[bool, Flag("-r")] = False
    """Enter subfolders."""
    device: Device = "auto"
    max_pixels: MaxPixels = MAX_PIXELS
    first_page: FirstPage = False
    jobs: Jobs = 1


class ScoreOptions(EvaluateOptions):
    """How files are scored."""

    output: Annotated[Path | None, Flag("-o")] = None
    """Also write a table with the protocols: .csv or .json. An interrupted run then resumes."""
    report: ReportFile = None


class BuildOptions(Config):
    """How a test set is built."""

    count: Annotated[int, Field(ge=1)] = 125
    """Number of pictures. Categories have equal shares; where one has too few, the others have more."""
    recipe: Degradation = DEFAULT_DEGRADATION
    crop: Annotated[int | None, Field(ge=1), Flag(default="the whole picture")] = None
    """Side in pixels of a random crop of each picture; a multiple of the recipe's scale."""
    seed: Seed = 0
    max_pixels: Annotated[int, Field(ge=1)] = MAX_PIXELS
    """Skip pictures with more pixels."""
    jobs: Jobs = 1
