"""Detect a training that diverges before its weights are spoilt."""

import statistics
from collections import deque
from collections.abc import Sequence

from aimanga.errors import DivergedError

_WINDOW, _FACTOR = 100, 10.0


class DivergenceCheck:
    """Checks the L1 loss of each iteration against the median of the last hundred.

    A rise to ten times the median means that the training diverged: batches differ, but not by that much. (The losses
    of a GAN do, and they can be 0 or negative.)

    Args:
        recent: The last values of the run that is resumed.
    """

    def __init__(self, recent: Sequence[float] = ()) -> None:
        self._recent: deque[float] = deque(recent, _WINDOW)

    @property
    def recent(self) -> list[float]:
        """The last values, the oldest first."""
        return list(self._recent)

    def check(self, l1: float) -> None:
        """Check the L1 loss of one more iteration.

        Raises:
            DivergedError: It exploded.
        """
        if len(self._recent) == _WINDOW:
            median = statistics.median(self._recent)
            if l1 > _FACTOR * median:
                raise DivergedError(f"the L1 loss rose to {l1:.3g}, its median was {median:.3g}")
        self._recent.append(l1)
