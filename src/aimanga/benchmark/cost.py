"""How much memory a program takes, with all that it starts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

# Networks take their memory for seconds, not for moments.
_EVERY = 0.01


class Memory:
    """The most memory that was in use.

    Attributes:
        peak: In bytes; 0 while nothing has been seen.
    """

    def __init__(self) -> None:
        self.peak = 0

    def look(self, process: psutil.Process, *, itself: bool) -> None:
        """Look at what a process uses now, and its children."""
        try:
            family = [process, *process.children(recursive=True)] if itself else process.children(recursive=True)
        except psutil.Error:  # it has come to its end
            return
        used = 0
        for member in family:
            try:
                used += member.memory_info().rss
            except psutil.Error:
                continue
        self.peak = max(self.peak, used)


@contextmanager
def watched_memory(*, itself: bool) -> Iterator[Memory]:
    """Watch the memory while the block runs: resident pages, looked at a hundred times a second.

    Args:
        itself: Whether this process is among those that are watched, or only those that it starts.
    """
    memory, process, ended = Memory(), psutil.Process(), threading.Event()

    def watch() -> None:
        memory.look(process, itself=itself)
        while not ended.wait(_EVERY):
            memory.look(process, itself=itself)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        ended.set()
        thread.join()
