"""Callbacks for the progress of a verb."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from aimanga.batch.plan import Job
from aimanga.batch.report import Record

Tick = Callable[[float], None]
"""Called now and then with the share of the work that is done, 0 to 1."""


class Watcher:
    """Callbacks; each does nothing until it is overridden.

    class Counter(Watcher):
        def on_end(self, job, record):
            print(job.source, record.status)

    aimanga.upscale_files("photos", "out", watcher=Counter())
    """

    def on_plan(self, plan: object) -> None:
        """The plan of the verb is made and checked; the work is about to begin."""

    def on_stage(self, text: str) -> None:
        """A part of a long verb begins; the text says which."""

    def on_batch(self, jobs: Sequence[Job]) -> None:
        """A batch of jobs begins."""

    def on_start(self, job: Job) -> None:
        """A job begins."""

    def on_progress(self, job: Job, share: float) -> None:
        """This share of a job, 0 to 1, is done. Not called for jobs in other processes."""

    def on_end(self, job: Job, record: Record) -> None:
        """A job has ended: done, skipped, or failed."""


class Forwarding(Watcher):
    """Passes the callbacks of a batch on to another watcher."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def on_batch(self, jobs: Sequence[Job]) -> None:
        """Pass it on."""
        self._watcher.on_batch(jobs)

    def on_start(self, job: Job) -> None:
        """Pass it on."""
        self._watcher.on_start(job)

    def on_progress(self, job: Job, share: float) -> None:
        """Pass it on."""
        self._watcher.on_progress(job, share)

    def on_end(self, job: Job, record: Record) -> None:
        """Pass it on."""
        self._watcher.on_end(job, record)


@contextmanager
def reporting(
    report: Path | None, watcher: Watcher | None, line: Callable[[Record], str] = Record.to_json
) -> Iterator[Watcher]:
    """Append a line to a file for each job that ends, and pass everything on to a watcher.

    Args:
        report: The file; its folder is made. None for no lines.
        watcher: The watcher.
        line: Makes the line of a job, without its end of line.
    """
    watcher = watcher or Watcher()
    if report is None:
        yield watcher
        return
    report.parent.mkdir(parents=True, exist_ok=True)
    # Line-buffered: the report of a killed run ends after the last finished file.
    with report.open("a", encoding="utf-8", errors="backslashreplace", buffering=1) as file:
        yield _Reporting(file, watcher, line)


class _Reporting(Forwarding):
    def __init__(self, file: TextIO, watcher: Watcher, line: Callable[[Record], str]) -> None:
        super().__init__(watcher)
        self._file = file
        self._line = line

    def on_end(self, job: Job, record: Record) -> None:
        self._file.write(self._line(record) + "\n")
        super().on_end(job, record)
