"""A recipe as numbers between 0 and 1, for whoever searches a better one."""

import math
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol

from aimanga.degrade.recipe import Recipe

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class _Limits:
    """How far a range may reach, and whether it is looked at on a logarithmic scale, in whole numbers."""

    low: float
    high: float
    logarithmic: bool = False
    whole: bool = False


_RANGES: Mapping[str, _Limits] = {
    "sigma": _Limits(0.1, 4.0, logarithmic=True),
    "factor": _Limits(0.15, 1.5),
    "gaussian_sigma": _Limits(0.2, 50.0, logarithmic=True),
    "poisson_scale": _Limits(0.02, 5.0, logarithmic=True),
    "camera_shot": _Limits(0.0001, 0.05, logarithmic=True),
    "camera_read": _Limits(0.0001, 0.05, logarithmic=True),
    "amount": _Limits(0.0, 2.0),
    "jpeg_quality": _Limits(10, 100, whole=True),
    "webp_quality": _Limits(10, 100, whole=True),
    "avif_quality": _Limits(10, 100, whole=True),
}
_CHANCES = ("probability", "sinc", "gray", "subsampled")
_SHARES = ("directions", "codecs", "noise.kinds")


class Knob(Protocol):
    """One value of a recipe that is searched."""

    @property
    def path(self) -> Path:
        """Where it stands in the recipe."""
        ...

    def read(self, value: Any) -> list[float]:
        """The value as numbers from 0 to 1."""
        ...

    def make(self, numbers: Sequence[float]) -> Any:
        """The value that numbers from 0 to 1 stand for."""
        ...


@dataclass(frozen=True)
class _RangeKnob:
    """A range: its middle, and its width."""

    path: Path
    limits: _Limits

    def read(self, value: Any) -> list[float]:
        low, high = (self._place(end) for end in value)
        return [(low + high) / 2, high - low]

    def make(self, numbers: Sequence[float]) -> Any:
        middle, width = numbers
        ends = [self._value(min(1.0, max(0.0, middle + side * width / 2))) for side in (-1, 1)]
        if self.path[-1] == "factor":  # smaller and larger meet at 1
            ends = [min(1.0, ends[0]), max(1.0, ends[1])]
        return ends

    def _place(self, value: float) -> float:
        low, high = self.limits.low, self.limits.high
        value = min(high, max(low, value))
        if self.limits.logarithmic:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)

    def _value(self, place: float) -> float:
        low, high = self.limits.low, self.limits.high
        value = low * (high / low) ** place if self.limits.logarithmic else low + place * (high - low)
        return round(value) if self.limits.whole else float(f"{value:.3g}")


@dataclass(frozen=True)
class _ChanceKnob:
    """A probability, or a yes or no."""

    path: Path
    whether: bool

    def read(self, value: Any) -> list[float]:
        return [float(value)]

    def make(self, numbers: Sequence[float]) -> Any:
        return numbers[0] >= 0.5 if self.whether else round(numbers[0], 3)


@dataclass(frozen=True)
class _SharesKnob:
    """Probabilities that add up to 1."""

    path: Path
    kinds: tuple[str, ...]

    def read(self, value: Any) -> list[float]:
        largest = max(value.values())
        return [value[kind] / largest for kind in self.kinds]

    def make(self, numbers: Sequence[float]) -> Any:
        total = sum(numbers) or 1.0
        thousandths = [round(1000 * number / total) for number in numbers]
        thousandths[thousandths.index(max(thousandths))] += 1000 - sum(thousandths)
        return {kind: share / 1000 for kind, share in zip(self.kinds, thousandths, strict=True)}


class SearchSpace:
    """The recipes that have the parts of a given one, with other ranges and probabilities.

    Searched are the ranges of blur, resizing, noise, sharpening and compression, how often each part is there, and the
    shares of directions, kinds of noise and codecs. The shapes of kernels and the ways of resizing stay as they are.

    Args:
        start: The recipe.
    """

    def __init__(self, start: Recipe) -> None:
        self._content = start.model_dump(mode="json", exclude_none=True)
        self._knobs = tuple(_found(self._content, ()))

    @property
    def names(self) -> list[str]:
        """One a number."""
        return [
            f"{'.'.join(map(str, knob.path))} {n}"
            for knob in self._knobs
            for n in range(len(knob.read(_get(self._content, knob.path))))
        ]

    @property
    def start(self) -> list[float]:
        """The numbers of the given recipe."""
        return [number for knob in self._knobs for number in knob.read(_get(self._content, knob.path))]

    def recipe(self, numbers: Sequence[float]) -> Recipe:
        """The recipe that numbers from 0 to 1 stand for."""
        content = deepcopy(self._content)
        rest = list(numbers)
        for knob in self._knobs:
            count = len(knob.read(_get(self._content, knob.path)))
            _get(content, knob.path[:-1])[knob.path[-1]] = knob.make(rest[:count])
            rest = rest[count:]
        return Recipe.model_validate(content)


def _found(content: Any, path: Path) -> Iterator[Knob]:
    """The values of a recipe that are searched, where the recipe has them."""
    items = enumerate(content) if isinstance(content, list) else content.items()
    for key, value in items:
        here = (*path, key)
        if isinstance(value, bool):
            if key == "sharpen_source":
                yield _ChanceKnob(here, whether=True)
        elif key in _RANGES:
            if _is_used(str(key), content):
                yield _RangeKnob(here, _RANGES[str(key)])
        elif key in _CHANCES:
            yield _ChanceKnob(here, whether=False)
        elif key in _SHARES or f"{path[-1] if path else ''}.{key}" in _SHARES:
            if len(value) > 1:
                yield _SharesKnob(here, tuple(value))
        elif isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
            yield from _found(value, here)


def _is_used(key: str, part: Mapping[str, Any]) -> bool:
    """Whether a part has the kind of noise, or the codec, to which a range belongs."""
    kind, _, rest = key.partition("_")
    kinds = {**part.get("codecs", {}), **(part.get("kinds", {}) if "gray" in part else {})}
    return not rest or kind in kinds


def _get(content: Any, path: Path) -> Any:
    for key in path:
        content = content[key]
    return content
