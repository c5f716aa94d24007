"""The search space of `fit`: a recipe as numbers between 0 and 1."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from aimanga.degrade.recipe import Recipe

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class _Limits:
    """The bounds of a range; whether it is searched on a logarithmic scale, and in whole numbers."""

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
_CHANCES = ("probability", "sinc", "gray", "subsampled", "resize_first")
_SHARES = ("directions", "codecs", "noise.kinds", "final.modes")


@dataclass(frozen=True)
class _Knob:
    """A value of a recipe that is searched.

    Attributes:
        path: Its keys in the recipe.
        read: Maps the value to numbers from 0 to 1.
        make: Maps such numbers to the value.
    """

    path: Path
    read: Callable[[Any], list[float]]
    make: Callable[[Sequence[float]], Any]


class SearchSpace:
    """The recipes that have the parts of a given one, with other ranges and probabilities.

    The search covers the ranges of blur, resizing, noise, sharpening and compression, the probability of each part, and
    the shares of directions, kinds of noise, codecs and the final modes of resizing. The shapes of kernels are fixed.

    Args:
        start: The recipe.

    Attributes:
        start: The numbers of that recipe.
        names: What each of them is.
    """

    def __init__(self, start: Recipe) -> None:
        self._content = start.model_dump(mode="json", exclude_none=True)
        self._knobs = tuple(_found(self._content, ()))
        self._starts = [knob.read(_get(self._content, knob.path)) for knob in self._knobs]
        self.start = [number for numbers in self._starts for number in numbers]
        self.names = [
            f"{'.'.join(map(str, knob.path))} {n}"
            for knob, numbers in zip(self._knobs, self._starts, strict=True)
            for n in range(len(numbers))
        ]

    def recipe(self, numbers: Sequence[float]) -> Recipe:
        """The recipe that numbers from 0 to 1 stand for."""
        content = deepcopy(self._content)
        rest = list(numbers)
        for knob, start in zip(self._knobs, self._starts, strict=True):
            _get(content, knob.path[:-1])[knob.path[-1]] = knob.make(rest[: len(start)])
            rest = rest[len(start) :]
        return Recipe.model_validate(content)


def _found(content: Any, path: Path) -> Iterator[_Knob]:  # noqa: ANN401 (whatever TOML can hold)
    """The values of a recipe that are searched."""
    items: Iterable[tuple[Any, Any]] = enumerate(content) if isinstance(content, list) else content.items()
    for key, value in items:
        here = (*path, key)
        if key == "sharpen_source":
            yield _Knob(here, lambda value: [float(value)], lambda numbers: numbers[0] >= 0.5)
        elif key in _RANGES:
            if _is_used(key, content):
                yield _range_knob(here, _RANGES[key])
        elif key in _CHANCES:
            yield _Knob(here, lambda value: [float(value)], lambda numbers: round(numbers[0], 3))
        elif key in _SHARES or ".".join(map(str, here[-2:])) in _SHARES:
            if len(value) > 1:
                yield _shares_knob(here, tuple(value))
        elif isinstance(value, dict) or key == "stages" or isinstance(key, int):
            yield from _found(value, here)


def _is_used(key: str, part: Mapping[str, Any]) -> bool:
    """Whether a part uses the kind of noise, or the codec, that a range belongs to."""
    kind, _, rest = key.partition("_")
    owners = part.get("codecs") or (part.get("kinds") if "gray" in part else None)
    return not rest or owners is None or kind in owners


def _range_knob(path: Path, limits: _Limits) -> _Knob:
    """A range: its middle, and its width."""
    low, high = limits.low, limits.high

    def place(value: float) -> float:
        value = min(high, max(low, value))
        return math.log(value / low) / math.log(high / low) if limits.logarithmic else (value - low) / (high - low)

    def value(place: float) -> float:
        place = min(1.0, max(0.0, place))
        found = low * (high / low) ** place if limits.logarithmic else low + place * (high - low)
        return round(found) if limits.whole else float(f"{found:.3g}")

    def read(ends: Sequence[float]) -> list[float]:
        first, last = (place(end) for end in ends)
        return [(first + last) / 2, last - first]

    def make(numbers: Sequence[float]) -> list[float]:
        middle, width = numbers
        ends = [value(middle - width / 2), value(middle + width / 2)]
        if path[-1] == "factor":  # smaller and larger meet at 1
            return [min(1.0, ends[0]), max(1.0, ends[1])]
        return ends

    return _Knob(path, read, make)


def _shares_knob(path: Path, kinds: tuple[str, ...]) -> _Knob:
    """Probabilities that add up to 1."""

    def read(shares: Mapping[str, float]) -> list[float]:
        largest = max(shares.values())
        return [shares[kind] / largest for kind in kinds]

    def make(numbers: Sequence[float]) -> dict[str, float]:
        total = sum(numbers)
        thousandths = [round(1000 * number / total) if total else 0 for number in numbers]
        thousandths[thousandths.index(max(thousandths))] += 1000 - sum(thousandths)
        return {kind: share / 1000 for kind, share in zip(kinds, thousandths, strict=True)}

    return _Knob(path, read, make)


def _get(content: Any, path: Path) -> Any:  # noqa: ANN401
    for key in path:
        content = content[key]
    return content
