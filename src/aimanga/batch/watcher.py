"""Who is told how a batch goes on: a display, the lines of a report."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TextIO

from aimanga.batch.plan import Job
from aimanga.batch.report import Record

Tick = Callable[[float], None]
"""Told now and then the share of the work that is done, 0 to 1."""


class Watcher(Protocol):
    """Is told how a batch goes on."""

    def started(self, job: Job) -> None:
        """A job begins."""

    def advanced(self, job: Job, share: float) -> None:
        """This share of a job, 0 to 1, is done. Not told of jobs in other processes."""

    def finished(self, job: Job, record: Record) -> None:
        """A job has come to its end, whichever."""


class Unwatched:
    """A watcher that does nothing."""

    def started(self, job: Job) -> None:
        """Nothing."""

    def advanced(self, job: Job, share: float) -> None:
        """Nothing."""

    def finished(self, job: Job, record: Record) -> None:
        """Nothing."""


@contextmanager
def reporting(
    report: Path | None, watcher: Watcher | None, line: Callable[[Record], str] = Record.to_json
) -> Iterator[Watcher]:
    """Give a watcher that appends a line to a file for each job that ends, and hands everything on.

    Args:
        report: The file; its folder is made. None for no lines.
        watcher: To hand on to.
        line: What to write of a job, without its end of line.
    """
    watcher = watcher or Unwatched()
    if report is None:
        yield watcher
        return
    report.parent.mkdir(parents=True, exist_ok=True)
    # Line-buffered: a killed run's report ends after the last finished file.
    with report.open("a", encoding="utf-8", errors="backslashreplace", buffering=1) as file:
        yield _Reporting(file, watcher, line)


class _Reporting:
    def __init__(self, file: TextIO, watcher: Watcher, line: Callable[[Record], str]) -> None:
        self._file = file
        self._watcher = watcher
        self._line = line

    def started(self, job: Job) -> None:
        self._watcher.started(job)

    def advanced(self, job: Job, share: float) -> None:
        self._watcher.advanced(job, share)

    def finished(self, job: Job, record: Record) -> None:
        self._file.write(self._line(record) + "\n")
        self._watcher.finished(job, record)
