"""How far a mean of scores can be trusted."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.stats import bootstrap, wilcoxon

Key = TypeVar("Key")

LEVEL = 0.95
"""The share of such intervals that hold the mean over all pictures of the kind."""

# Of fewer pictures resampling knows too little to say anything.
_FEWEST = 5
_DRAWS = 9999
# Of five pairs even the most extreme ranks have a probability of 1/16.
FEWEST_PAIRS = 6
"""Of fewer pictures no difference between methods can be significant."""


@dataclass(frozen=True)
class Interval:
    """From where to where a mean may lie."""

    low: float
    high: float


def mean_interval(scores: Sequence[float]) -> Interval | None:
    """Estimate where the mean over all pictures of the kind lies, by drawing from these anew.

    The bootstrap with bias correction and acceleration (B. Efron, "Better Bootstrap Confidence Intervals", JASA 82,
    1987); the same scores give the same interval.

    Args:
        scores: One of each picture.

    Returns:
        The interval of `LEVEL`; None for fewer than five scores, and where one is not finite.
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
    """How probable it is that two methods which are equally good differ so much on the same pictures.

    The signed-rank test, two-sided (F. Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1,
    1945): exact for up to 50 pictures, with a normal approximation for more and where differences are equal.

    Args:
        first: A score of each picture.
        second: Likewise, of the same pictures.

    Returns:
        The probability; None for fewer than six pictures, of which no difference could be significant, and where a
        score is not finite.
    """
    with np.errstate(invalid="ignore"):  # of infinite scores
        differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    if len(differences) < FEWEST_PAIRS or not np.isfinite(differences).all():
        return None
    if not differences.any():
        return 1.0
    return float(wilcoxon(differences).pvalue)


def holm(probabilities: Mapping[Key, float]) -> dict[Key, float]:
    """Correct probabilities for their number: among many comparisons some differ by chance.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian J. of Statistics 6, 1979.
    """
    corrected: dict[Key, float] = {}
    highest = 0.0
    for rank, key in enumerate(sorted(probabilities, key=probabilities.__getitem__)):
        highest = max(highest, min(1.0, probabilities[key] * (len(probabilities) - rank)))
        corrected[key] = highest
    return {key: corrected[key] for key in probabilities}
