"""Ctrl-C and SIGTERM end a training after the iteration at work, so that nothing is lost."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """What a signal asks for.

    Attributes:
        signal: The signal that came; None while there was none.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None


@contextmanager
def stoppable() -> Iterator[Stop]:
    """While the block runs the first Ctrl-C or SIGTERM is only noted; a second Ctrl-C interrupts at once.

    Outside the main thread, where Python takes no signals, nothing changes.
    """
    stop = Stop()

    def note(number: int, frame: FrameType | None) -> None:
        if stop.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.signal = signal.Signals(number)

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
