"""Printing of the verbs."""

from typing import TYPE_CHECKING

from aimanga.text import counted, duration, printable

if TYPE_CHECKING:
    from rich.console import Console

    from aimanga.batch import Report
    from aimanga.evaluate import Comparison

_FAILURES = 20  # on the terminal


def say(console: "Console", line: str) -> None:
    """Print a line as it is: names of files hold what rich would take for markup or emoji."""
    console.print(line, markup=False, highlight=False, soft_wrap=True, emoji=False)


def say_counts(console: "Console", report: "Report") -> None:
    """The last line of a batch."""
    counts = [f"{report.count(status)} {status}" for status in ("done", "skipped", "failed")]
    say(console, f"{', '.join(counts)} in {duration(report.seconds)}")


def say_left_out(console: "Console", ignored: int, subfolders: int) -> None:
    """Files and folders that a batch skips."""
    if ignored:
        say(console, f"{counted(ignored, 'other file')} skipped")
    if subfolders:
        say(console, f"{counted(subfolders, 'subfolder')} skipped (--recursive enters them)")


def say_results(console: "Console", report: "Comparison") -> None:
    """A table for each set, the best in bold; then what is missing, and the files."""
    from rich.table import Table
    from rich.text import Text

    for found in report.sets.values():
        say(console, f"\n{found.name} ({counted(len(found.common), 'picture')})")
        table = Table(box=None, pad_edge=False)
        table.add_column("method", overflow="fold")
        for column in found.columns:
            table.add_column(column.head, justify="right")
        for method in found.methods:
            cells = [
                Text((column.text(method) or "-") + column.mark(method), "bold" if method in column.best() else "")
                for column in found.columns
            ]
            table.add_row(Text(method), *cells)
        console.print(table)
    say(console, "")
    for line in report.failures[:_FAILURES]:
        say(console, printable(line))
    if len(report.failures) > _FAILURES:
        say(console, f"and {len(report.failures) - _FAILURES} more, see results.json")
    for path in report.written:
        say(console, f"written   {path}")
    say(console, f"in {duration(report.seconds)}")
