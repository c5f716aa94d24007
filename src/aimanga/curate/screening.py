"""The thresholds that a picture has to pass to be selected."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from aimanga.config import Config

if TYPE_CHECKING:
    from aimanga.curate.measure import Measures


class Screening(Config):
    """The thresholds of a selection; a TOML file has the same names.

    The defaults were chosen on 341 photos of free packages, so that each of them alone passes 95 % of these or more,
    and rejects nearly all pictures with its defect: `benchmarks/curate.py` measures it.
    """

    min_side: Annotated[int, Field(ge=1)] = 256
    """Pixels of the shorter side: training crops have 256 pixels and more."""
    min_detail: Annotated[float, Field(ge=0)] = 8.0
    """Gray levels a pixel. Sky, fog, blur and drawings of few lines have less."""
    max_flatness: Annotated[float, Field(ge=0, le=1)] = 0.7
    """The share of tiles without detail."""
    min_sharpness: float = -4.7
    """Enlarged and blurred pictures have less."""
    max_blockiness: Annotated[float, Field(ge=0)] = 0.45
    """Nearly all JPEGs of quality 20 have more, and half of those of quality 50."""
    max_noise: Annotated[float, Field(ge=0)] = 4.0
    """Gray levels of luma. Independent noise of sigma 6 in each channel is 4 in luma."""
    max_clipping: Annotated[float, Field(ge=0, le=1)] = 0.35
    """The share of pixels that are black or white."""
    min_colourfulness: Annotated[float, Field(ge=0)] = 0.0
    """0 passes gray pictures; 10 rejects them."""
    max_text: Annotated[float, Field(ge=0, le=1)] = 0.3
    """The share of tiles that look like text: screenshots and scanned pages have more."""
    per_scene: Annotated[int, Field(ge=1)] = 3
    """Number of pictures of one scene, such as a burst of shots, at most."""


@dataclass(frozen=True)
class Limit:
    """A threshold.

    Attributes:
        option: Its field in `Screening`.
        measure: The attribute of `Measures` that it bounds.
        value: The bound.
        upper: Whether it is an upper bound.
    """

    option: str
    measure: str
    value: float
    upper: bool

    def failed_by(self, measures: "Measures") -> str | None:
        """Why a picture fails, as a sentence; None where it passes."""
        number = float(getattr(measures, self.measure))
        if number <= self.value if self.upper else number >= self.value:
            return None
        shown = f"{number:.4g}"
        if float(shown) == self.value or number >= 1000:  # as many digits as it takes
            shown = f"{number:.8g}"
        return f"{self.measure} {shown} is {'above' if self.upper else 'below'} {self.value:g}"


def limits(screening: Screening) -> Iterator[Limit]:
    """The thresholds that bound a single measure."""
    for option, value in screening.model_dump().items():
        kind, _, measure = option.partition("_")
        if kind in ("min", "max"):
            yield Limit(option, measure, value, kind == "max")
