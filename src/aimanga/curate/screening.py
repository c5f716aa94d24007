"""What a picture has to be to be kept: the thresholds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, ValidationError

from aimanga.config import Config, explain
from aimanga.curate.measure import Measures
from aimanga.errors import UsageError


class Screening(Config):
    """The thresholds of a screening; a TOML file has the same names.

    The defaults were chosen on 341 photos of free packages, so that each of them alone lets 95 % of these pass or more,
    while nearly all pictures with the defect that it is for do not: `benchmarks/curate.py` measures it.
    """

    min_side: Annotated[int, Field(ge=1)] = 256
    """Pixels of the shorter side: training cuts squares of 256 pixels and more."""
    min_detail: Annotated[float, Field(ge=0)] = 8.0
    """Gray levels a pixel. Below are sky, fog, blur, drawings of few lines."""
    max_flatness: Annotated[float, Field(ge=0, le=1)] = 0.7
    """The share of tiles without detail."""
    min_sharpness: float = -4.7
    """Below are enlarged and blurred pictures."""
    max_blockiness: Annotated[float, Field(ge=0)] = 0.45
    """Above are the blocks of JPEG: nearly all of quality 20, half of quality 50."""
    max_noise: Annotated[float, Field(ge=0)] = 4.0
    """Gray levels of luma. Independent noise of deviation 6 in each channel is 4 in luma."""
    max_clipping: Annotated[float, Field(ge=0, le=1)] = 0.35
    """The share of pixels that are black or white."""
    min_colourfulness: Annotated[float, Field(ge=0)] = 0.0
    """0 lets gray pictures pass; 10 leaves them out."""
    max_text: Annotated[float, Field(ge=0, le=1)] = 0.3
    """The share of tiles that look like letters: above are screenshots and scanned pages."""
    per_scene: Annotated[int, Field(ge=1)] = 3
    """Of one scene, as in a burst of shots, at most this many are kept."""


def changed(screening: Screening, options: Mapping[str, float]) -> Screening:
    """A screening with other thresholds.

    Raises:
        UsageError: A threshold is out of its range.
    """
    try:
        return screening.replaced(**options)
    except ValidationError as error:
        raise UsageError(explain(error)) from error


@dataclass(frozen=True)
class Limit:
    """A threshold.

    Attributes:
        option: Its name in `Screening`.
        measure: The name of the number that it bounds.
        value: The bound.
        upper: Whether it is an upper bound.
    """

    option: str
    measure: str
    value: float
    upper: bool

    def failed_by(self, number: float) -> str | None:
        """What is wrong with a number, in words; None where it passes."""
        if number <= self.value if self.upper else number >= self.value:
            return None
        shown = f"{number:.4g}"
        if float(shown) == self.value or number >= 1000:  # as many digits as it takes
            shown = f"{number:.8g}"
        return f"{self.measure} {shown} is {'above' if self.upper else 'below'} {self.value:g}"


def limits(screening: Screening) -> Iterator[Limit]:
    """The thresholds that bound a single number."""
    for option, value in screening.model_dump().items():
        kind, _, measure = option.partition("_")
        if kind in ("min", "max"):
            yield Limit(option, measure, value, kind == "max")


def number_of(measures: Measures, name: str) -> float:
    """A number of a picture by the name that a threshold uses: a field of `Measures`, or `side`, the shorter one."""
    if name == "side":
        return min(measures.width, measures.height)
    return float(getattr(measures, name))
