"""The scores of validations: metrics, L1 and artifacts by name, which ones are better, and the best ones so far."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aimanga.errors import UsageError
from aimanga.metrics import find_metric
from aimanga.metrics.artifacts import LIMITS
from aimanga.train.learner import L1

OWN = (L1, *LIMITS)
"""The scores of every validation, beside the metrics of its recipe. Lower is better."""


@dataclass
class History:
    """The best scores so far by validation set and metric: `held_out psnr`, `real niqe`.

    Attributes:
        first: The scores at iteration 0.
        best: The best scores.
        iterations: Their iterations.
    """

    first: dict[str, float] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    iterations: dict[str, int] = field(default_factory=dict)

    def add(self, iteration: int, scores: Mapping[str, Mapping[str, float]]) -> tuple[list[str], list[str]]:
        """Add the scores of an iteration.

        Returns:
            The names of the best scores so far, and of those that are worse than at iteration 0. NaN is never better
            than a number, and always worse. Artifacts are never worse: they have limits instead.
        """
        better, worse = [], []
        for kind, found in scores.items():
            for metric, score in found.items():
                series = f"{kind} {metric}"
                if math.isnan(score):
                    worse += [series] if series in self.first else []
                    continue
                if iteration == 0:
                    self.first[series] = score
                if series not in self.best or is_better(metric, score, self.best[series]):
                    self.best[series], self.iterations[series] = score, iteration
                    better.append(series)
                if metric not in LIMITS and series in self.first and is_better(metric, self.first[series], score):
                    worse.append(series)
        return better, worse

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Convert to what JSON can hold, with infinities as text."""
        return {
            "first": {name: str(score) for name, score in self.first.items()},
            "best": {name: str(score) for name, score in self.best.items()},
            "iterations": dict(self.iterations),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Mapping[str, Any]]) -> "History":
        """Convert back what `to_json` returned."""
        first, best = ({name: float(text) for name, text in content[part].items()} for part in ("first", "best"))
        return cls(first, best, dict(content["iterations"]))


def is_better(name: str, score: float, than: float) -> bool:
    """Whether a score is better than another one."""
    return score < than if lower_is_better(name) else score > than


def lower_is_better(name: str) -> bool:
    """Whether lower values of a score are better."""
    return name in OWN or find_metric(name).better == "lower"


def is_artifact(series: str) -> bool:
    """Whether a series is that of an artifact, such as `real grid`."""
    return series.rpartition(" ")[2] in LIMITS


def needs_reference(name: str) -> bool:
    """Whether a score needs ground truth."""
    return name == L1 or (name not in OWN and find_metric(name).needs_reference)


def canonical(name: str) -> str:
    """The name of a score as `OWN` and the catalogue spell it; an unknown name stays as it is."""
    spelled = name.strip().lower().replace("-", "_")
    try:
        return spelled if spelled in OWN else find_metric(name).name
    except UsageError:
        return name
