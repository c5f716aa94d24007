"""Confidence intervals of mean scores, and tests of differences between methods."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.stats import bootstrap, wilcoxon

Key = TypeVar("Key")

LEVEL = 0.95
"""Confidence level of the intervals."""

# Fewer pictures are too few for resampling.
_FEWEST = 5
_DRAWS = 9999
# With five pairs the smallest possible p value is 1/16.
FEWEST_PAIRS = 6
"""With fewer pictures no difference between methods can be significant."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval."""

    low: float
    high: float


def mean_interval(scores: Sequence[float]) -> Interval | None:
    """Compute the confidence interval of the mean by the BCa bootstrap.

    Source: B. Efron, "Better Bootstrap Confidence Intervals", JASA 82, 1987. The same scores give the same interval.

    Args:
        scores: One score per picture.

    Returns:
        The interval at `LEVEL`; None for fewer than five scores, and if one is not finite.
    """
    values = np.asarray(scores, np.float64)
    if len(values) < _FEWEST or not np.isfinite(values).all():
        return None
    if np.ptp(values) == 0:
        return Interval(float(values[0]), float(values[0]))
    found = bootstrap(
        (values,), np.mean, n_resamples=_DRAWS, confidence_level=LEVEL, method="BCa", rng=np.random.default_rng(0)
    ).confidence_interval
    low, high = float(found.low), float(found.high)
    return Interval(low, high) if math.isfinite(low) and math.isfinite(high) else None


def paired_p(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Compute the p value of Wilcoxon's signed-rank test, two-sided, of two methods on the same pictures.

    Source: F. Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1, 1945. Exact for up to 50
    pictures; a normal approximation for more and for tied differences.

    Args:
        first: One score per picture.
        second: Likewise, for the same pictures.

    Returns:
        The p value; None for fewer than six pictures, where no difference could be significant, and if a score is not
        finite.
    """
    with np.errstate(invalid="ignore"):  # of infinite scores
        differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    if len(differences) < FEWEST_PAIRS or not np.isfinite(differences).all():
        return None
    if not differences.any():
        return 1.0
    return float(wilcoxon(differences).pvalue)


def holm(probabilities: Mapping[Key, float]) -> dict[Key, float]:
    """Correct p values for multiple comparisons by Holm's method.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian J. of Statistics 6, 1979.
    """
    corrected: dict[Key, float] = {}
    highest = 0.0
    for rank, key in enumerate(sorted(probabilities, key=probabilities.__getitem__)):
        highest = max(highest, min(1.0, probabilities[key] * (len(probabilities) - rank)))
        corrected[key] = highest
    return {key: corrected[key] for key in probabilities}
