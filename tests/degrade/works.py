"""Pair-making in a process of its own, for tests that end it: after three pairs it waits for that."""

import signal
import sys
from pathlib import Path

from aimanga.batch import Watcher
from aimanga.degrade import make_pairs


class Waiting(Watcher):
    """Waits for a signal when the third pair has been made."""

    def __init__(self):
        self.made = 0

    def on_end(self, job, record):
        self.made += 1
        if self.made == 3:
            sys.stdout.write("three are made\n")
            sys.stdout.flush()
            signal.pause()


if __name__ == "__main__":
    make_pairs(
        Path(sys.argv[1]), Path(sys.argv[2]), recipe="realesrgan", crop=32, seed=5, jobs=int(sys.argv[3]),
        watcher=Waiting(),
    )  # fmt: skip
