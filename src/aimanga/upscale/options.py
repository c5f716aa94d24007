"""Options of `aimanga upscale`."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from aimanga.config import Config
from aimanga.options import (
    DEFAULT_MODEL,
    MAX_PIXELS,
    Device,
    DryRun,
    FirstPage,
    Flag,
    Jobs,
    MaxPixels,
    Overwrite,
    Precision,
    Recursive,
    ReportFile,
)

FileFormat = Literal["png", "jpg", "webp", "tiff", "avif"]


def _short_name(format: object) -> object:
    """Formats by their usual names: JPEG, .tif."""
    name = str(format).lower().removeprefix(".")
    return None if format is None else {"jpeg": "jpg", "tif": "tiff"}.get(name, name)


class PictureOptions(Config):
    """How a picture is upscaled."""

    model: Annotated[str | Path, Flag("-m", metavar="MODEL")] = DEFAULT_MODEL
    """A name that `aimanga models` lists, or a weight file."""
    scale: Annotated[float | None, Field(gt=0, le=64), Flag("-s", default="the model's")] = None
    """Output size over input size: 2, 3.5, 4 ..."""
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0
    """0 is a plain bicubic upscale, 1 the network's result; values between blend the two."""
    device: Device = "auto"
    precision: Precision = "auto"


class UpscaleOptions(PictureOptions):
    """How files are upscaled."""

    width: Annotated[int | None, Field(ge=1)] = None
    """Width of the results in pixels, instead of the scale; the height follows."""
    format: Annotated[FileFormat | None, BeforeValidator(_short_name), Flag("-f", default="that of the input")] = None
    """File format of the results."""
    quality: Annotated[int | None, Field(ge=1, le=100), Flag("-q", default="95")] = None
    """Quality of jpg, webp (100 is lossless) and avif."""
    recursive: Recursive = False
    suffix: str = ""
    """Append this to the name of each result: _x4."""
    overwrite: Overwrite = False
    strip_metadata: bool = False
    """Drop EXIF and XMP; the colour profile stays."""
    report: ReportFile = None
    jobs: Jobs = 1
    max_pixels: MaxPixels = MAX_PIXELS
    first_page: FirstPage = False
    dry_run: DryRun = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.scale is not None and self.width is not None:
            raise ValueError("--scale and --width contradict each other: give one of them")
        if "/" in self.suffix or "\\" in self.suffix:
            raise ValueError(f"--suffix {self.suffix}: a suffix is a part of the file's name")
        return self
