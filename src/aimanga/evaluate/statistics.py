"""How far a mean of scores can be trusted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap

LEVEL = 0.95
"""The share of such intervals that hold the mean over all pictures of the kind."""

# Of fewer pictures resampling knows too little to say anything.
_FEWEST = 5
_DRAWS = 9999


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
