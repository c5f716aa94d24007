"""Watchers of batches that several tests need."""

from aimanga.batch import Watcher


class Interrupting(Watcher):
    """Presses Ctrl-C when the third job has ended."""

    def __init__(self):
        self.left = 3

    def on_end(self, job, record):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


class Counting(Watcher):
    """Keeps the names of the sources that were worked on."""

    def __init__(self):
        self.done = []

    def on_end(self, job, record):
        if record.status == "done":
            self.done.append(job.source.name)
