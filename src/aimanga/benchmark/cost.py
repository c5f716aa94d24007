"""Measure the peak memory of a process and its children."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

# Seconds between two samples: networks hold their memory much longer.
_EVERY = 0.01


class PeakMemory:
    """The highest memory use that two samples in a row reached.

    One alone does not count: a forked child has the memory of its parent until it runs its own program.

    Attributes:
        peak: In bytes; 0 before the second sample.
    """

    def __init__(self) -> None:
        self.peak = self._last = 0

    def sample(self, process: psutil.Process, *, itself: bool) -> None:
        """Sample the memory of a process and its children."""
        try:
            family = [process, *process.children(recursive=True)] if itself else process.children(recursive=True)
        except psutil.Error:  # it has ended
            return
        used = 0
        for member in family:
            try:
                used += member.memory_info().rss
            except psutil.Error:
                continue
        self.peak, self._last = max(self.peak, min(used, self._last)), used


@contextmanager
def watched_memory(*, itself: bool) -> Iterator[PeakMemory]:
    """Sample the resident memory while the block runs, 100 times per second.

    Args:
        itself: True to include this process; False for its children only.
    """
    memory, process, ended = PeakMemory(), psutil.Process(), threading.Event()

    def watch() -> None:
        while not ended.wait(_EVERY):
            memory.sample(process, itself=itself)

    memory.sample(process, itself=itself)
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        ended.set()
        thread.join()
        # However short the block was, this process has been sampled twice.
        memory.sample(process, itself=itself)
