"""Notice when a training explodes, before it has spoilt its networks."""

import statistics
from collections import deque
from collections.abc import Sequence

from aimanga.errors import DivergedError

_MEMORY, _FACTOR = 100, 10.0


class Guard:
    """Watches the difference between what the generator makes and what it should make.

    It never rises to ten times the median of its last hundred values unless something is wrong: batches differ, but
    not by that. (The losses of a GAN do, and can be 0 or negative.)

    Args:
        seen: The last values of the run that is gone on with.
    """

    def __init__(self, seen: Sequence[float] = ()) -> None:
        self._seen: deque[float] = deque(seen, _MEMORY)

    @property
    def seen(self) -> list[float]:
        """The last values, the oldest first."""
        return list(self._seen)

    def check(self, difference: float) -> None:
        """Look at the value of one more iteration.

        Raises:
            DivergedError: It is an explosion.
        """
        if len(self._seen) == _MEMORY:
            usual = statistics.median(self._seen)
            if difference > _FACTOR * usual:
                raise DivergedError(f"the difference rose to {difference:.3g}, usual were {usual:.3g}")
        self._seen.append(difference)
