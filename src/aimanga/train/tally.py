"""What an iteration is like lately: means of its figures, and its time."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from aimanga.train.learner import DIFFERENCE


class Tally:
    """Means of figures over some iterations, and the time that they took."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._count = 0
        self._begin = time.perf_counter()

    def add(self, figures: Mapping[str, float]) -> None:
        """Count an iteration."""
        self._count += 1
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The block's time does not count."""
        begin = time.perf_counter()
        yield
        self._begin += time.perf_counter() - begin

    def taken(self, batch: int) -> dict[str, object]:
        """The fields of a line of the log; counting begins anew."""
        seconds = (time.perf_counter() - self._begin) / self._count
        means = {name: value / self._count for name, value in self._sums.items()}
        gradients = {
            name.removeprefix("gradient "): means.pop(name) for name in list(means) if name.startswith("gradient ")
        }
        difference = means.pop(DIFFERENCE)
        self._sums, self._count, self._begin = {}, 0, time.perf_counter()
        return {
            "losses": means,
            "difference": difference,
            "gradients": gradients,
            "samples_per_second": batch / seconds,
            "seconds": seconds,
        }
