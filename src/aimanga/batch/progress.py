"""Progress bars on the terminal."""

from collections.abc import Collection, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from aimanga.batch.plan import Job
from aimanga.batch.report import Record, Status
from aimanga.batch.watcher import Watcher
from aimanga.text import printable


class ProgressDisplay(Watcher):
    """A bar for the batch, one for the file at work, and a line for every file that ends.

    On something that is not a terminal there are only the lines.

    Args:
        console: Where to print.
        lines: The files that get a line; thousands of skipped ones would hide the others.
    """

    def __init__(self, console: Console, *, lines: Collection[Status] = ("done", "failed")) -> None:
        self.console = console
        self._lines = lines
        self._progress = progress_bar(console, "{task.description}", "{task.percentage:>3.0f} %")
        self._all: TaskID | None = None
        self._current: TaskID | None = None
        self._jobs = self._ended = 0
        self._done = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def on_batch(self, jobs: Sequence[Job]) -> None:
        """Begin the bar of a batch."""
        for task in (self._all, self._current):
            if task is not None:
                self._progress.remove_task(task)
        self._jobs, self._ended, self._done, self._current = len(jobs), 0, 0.0, None
        self._all = self._progress.add_task(f"0/{len(jobs)}", total=sum(job.cost for job in jobs) or 1.0)
        self._progress.start()

    def on_start(self, job: Job) -> None:
        """Show the file at work."""
        if self._current is not None:
            self._progress.remove_task(self._current)
        self._current = self._progress.add_task(escape(printable(job.source.name)), total=1.0)

    def on_progress(self, job: Job, share: float) -> None:
        """Move both bars."""
        if self._current is not None:
            self._progress.update(self._current, completed=share)
        if self._all is not None:
            self._progress.update(self._all, completed=self._done + share * job.cost)

    def on_end(self, job: Job, record: Record) -> None:
        """Count the file and print its line."""
        self._ended += 1
        self._done += job.cost
        if self._all is not None:
            self._progress.update(self._all, completed=self._done, description=f"{self._ended}/{self._jobs}")
        if record.status in self._lines:
            self.console.print(_line(record), soft_wrap=True, highlight=False, emoji=False)


def progress_bar(console: Console, before: str, after: str, *, seconds: float = 30) -> Progress:
    """Make a bar between two texts, with the elapsed and the remaining time; hidden if there is no terminal.

    Args:
        console: Where to print.
        before: The format of the text before the bar.
        after: The format of the text after it.
        seconds: The period over which the speed is estimated.
    """
    return Progress(
        TextColumn(before),
        BarColumn(),
        TextColumn(after),
        TimeElapsedColumn(),
        TextColumn("remaining"),
        TimeRemainingColumn(elapsed_when_finished=False),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        speed_estimate_period=seconds,
    )


def _line(record: Record) -> str:
    if record.status == "failed":
        return f"[red]failed[/red]   {escape(printable(record.error or ''))}"
    name = escape(printable(str(record.output or record.file)))
    sizes = [record.details.get(key) for key in ("input_size", "output_size")]
    shown = " -> ".join(f"{size[0]} x {size[1]}" for size in sizes if isinstance(size, list))
    return f"[green]done[/green]     {name}  {shown}  {record.seconds:.1f} s"
