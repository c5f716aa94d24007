"""Means of the losses over some iterations, and the throughput."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from aimanga.train.learner import L1


class Meter:
    """Averages the figures of iterations and measures the time that they take."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._count = 0
        self._begin = time.perf_counter()

    def update(self, figures: Mapping[str, float]) -> None:
        """Add an iteration."""
        self._count += 1
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the time of the block out."""
        begin = time.perf_counter()
        yield
        self._begin += time.perf_counter() - begin

    def reset(self, batch_size: int) -> dict[str, object]:
        """Return the fields of a `train` event of the log, and start again."""
        seconds = (time.perf_counter() - self._begin) / self._count
        means = {name: value / self._count for name, value in self._sums.items()}
        gradients = {
            name.removeprefix("gradient "): means.pop(name) for name in list(means) if name.startswith("gradient ")
        }
        l1 = means.pop(L1)
        self._sums, self._count, self._begin = {}, 0, time.perf_counter()
        return {
            "losses": means,
            "l1": l1,
            "gradients": gradients,
            "samples_per_second": batch_size / seconds,
            "seconds": seconds,
        }
