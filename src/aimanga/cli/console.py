"""Printing of the verbs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aimanga.text import counted, duration

if TYPE_CHECKING:
    from rich.console import Console

    from aimanga.batch import Report
    from aimanga.evaluate.columns import Column


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


def say_table(console: "Console", methods: Sequence[str], columns: "Sequence[Column]") -> None:
    """Methods by measures, the best in bold."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("method", overflow="fold")
    for column in columns:
        table.add_column(column.head, justify="right")
    for method in methods:
        cells = [
            Text(
                (column.shown(method) or "-") + column.marks.get(method, ""), "bold" if method in column.best() else ""
            )
            for column in columns
        ]
        table.add_row(Text(method), *cells)
    console.print(table)
