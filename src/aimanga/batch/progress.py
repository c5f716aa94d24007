"""Show on the terminal how a batch goes on."""

from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from aimanga.batch.plan import Job
from aimanga.batch.report import Record, Status
from aimanga.text import printable


class ProgressDisplay:
    """A watcher with one bar for the batch and one for the file at work; a line for every file that ends.

    On something that is not a terminal there are only the lines.

    Args:
        console: Where to print.
        costs: How much work each source is, in any unit; it makes the remaining time right for files of
            different size. A source that is not named costs 1.
        jobs: Number of all jobs.
        lines: The files that get a line; thousands of skipped ones would hide the others.
    """

    def __init__(
        self,
        console: Console,
        costs: Mapping[Path, float],
        jobs: int,
        *,
        lines: Collection[Status] = ("done", "failed"),
    ) -> None:
        self._lines = lines
        self._console = console
        self._costs = costs
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("remaining"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._jobs = jobs
        self._ended = 0
        self._done = 0.0
        self._all = self._progress.add_task(f"0/{jobs}", total=sum(costs.values()) or float(jobs))
        self._current: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def started(self, job: Job) -> None:
        """Show the file at work."""
        if self._current is not None:
            self._progress.remove_task(self._current)
        self._current = self._progress.add_task(escape(printable(job.source.name)), total=1.0)

    def advanced(self, job: Job, share: float) -> None:
        """Move both bars."""
        if self._current is not None:
            self._progress.update(self._current, completed=share)
        self._progress.update(self._all, completed=self._done + share * self._costs.get(job.source, 1.0))

    def finished(self, job: Job, record: Record) -> None:
        """Count the file and print its line."""
        self._ended += 1
        self._done += self._costs.get(job.source, 1.0)
        self._progress.update(self._all, completed=self._done, description=f"{self._ended}/{self._jobs}")
        if record.status in self._lines:
            self._console.print(_line(record), soft_wrap=True, highlight=False, emoji=False)


def _line(record: Record) -> str:
    if record.status == "failed":
        return f"[red]failed[/red]   {escape(printable(record.error or ''))}"
    name = escape(printable(str(record.output or record.file)))
    sizes = [record.details.get(key) for key in ("input_size", "output_size")]
    shown = " -> ".join(f"{size[0]} x {size[1]}" for size in sizes if isinstance(size, list))
    return f"[green]done[/green]     {name}  {shown}  {record.seconds:.1f} s"
