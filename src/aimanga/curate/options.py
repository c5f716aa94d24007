"""Options of `aimanga curate`."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from aimanga.config import Config
from aimanga.curate.screening import Screening
from aimanga.options import MAX_PIXELS, FirstPage, Flag, MaxPixels, Recursive

Placement = Literal["copy", "link", "none"]
"""Whether the selected pictures are copied or linked; none writes neither pictures nor crops."""


def _parsed(keep: object) -> object:
    """`55%` as a share."""
    return float(keep.removesuffix("%")) / 100 if isinstance(keep, str) and keep.endswith("%") else keep


def _possible(keep: float | None) -> float | None:
    if isinstance(keep, float) and not 0 < keep <= 1:
        raise ValueError("a share is above 0 % and at most 100 %")
    if isinstance(keep, int) and keep < 1:
        raise ValueError("at least one picture")
    return keep


class CurateOptions(Config):
    """Which pictures are selected, and what is written of them."""

    keep: Annotated[
        int | float | None,
        BeforeValidator(_parsed),
        AfterValidator(_possible),
        Flag(metavar="N|P%", default="all that pass"),
    ] = None
    """Keep the N best of the pictures that pass the thresholds, or the best P %; from Python 0.55 is 55 %."""
    crops: Annotated[int | None, Field(ge=1), Flag(metavar="SIZE")] = None
    """Cut the crops with the most detail, SIZE pixels a side, from each selected picture."""
    per_image: Annotated[int, Field(ge=1)] = 1
    """Number of crops of each picture, at most."""
    avoid_blur: bool = False
    """Skip crops with an out-of-focus background or sky."""
    avoid_text: bool = False
    """Skip crops with text."""
    pictures: Annotated[Placement | None, Flag(default="copy; with --crops only these")] = None
    """Copy or link the selected pictures; none writes the manifest and the report only."""
    recursive: Recursive = False
    max_pixels: MaxPixels = MAX_PIXELS
    first_page: FirstPage = False
    jobs: Annotated[int | None, Field(ge=1), Flag("-j", default="one a core; 1 from Python")] = None
    """Number of processes."""
    screening: Annotated[Screening, Flag(panel="Thresholds")] = Screening()
    """Read thresholds from a TOML file, such as the screening.toml of a previous run."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.crops is None and (self.per_image > 1 or self.avoid_blur or self.avoid_text):
            raise ValueError("--per-image, --avoid-blur and --avoid-text need --crops")
        return self
