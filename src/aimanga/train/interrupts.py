"""Ctrl-C and SIGTERM end a training after the current iteration, so that nothing is lost."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """A request to stop.

    Attributes:
        signal: The signal that was received; None if there was none.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None


@contextmanager
def stoppable() -> Iterator[Stop]:
    """While the block runs, record the first Ctrl-C or SIGTERM; a second Ctrl-C raises KeyboardInterrupt.

    Outside the main thread, where Python receives no signals, this does nothing.
    """
    stop = Stop()

    def record(number: int, frame: FrameType | None) -> None:
        if stop.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.signal = signal.Signals(number)

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, record) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
