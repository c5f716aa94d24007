"""`aimanga score`."""

from typing import TYPE_CHECKING

import typer

from aimanga.cli.console import say
from aimanga.cli.options import Inputs, with_options
from aimanga.evaluate.options import ScoreOptions
from aimanga.text import counted, duration

if TYPE_CHECKING:
    from rich.console import Console

    from aimanga.evaluate import ScoreReport

_MOST_ROWS = 100  # of a table on the terminal
_WIDTH = 10_000  # of a table elsewhere


@with_options
def score(inputs: Inputs, options: ScoreOptions) -> None:
    """With references, results are compared with the ground truth; without, they are judged by themselves."""
    from rich.console import Console

    from aimanga.batch import ProgressDisplay
    from aimanga.evaluate import score_files

    console = Console()
    if not console.is_terminal:  # a program reads it, which wants its lines whole
        console = Console(width=_WIDTH)
    with ProgressDisplay(console, lines={"failed"}) as display:
        result = score_files(inputs, options, watcher=display)
    _print_scores(console, result)
    if options.output is not None:
        say(console, f"written   {options.output}")
    raise typer.Exit(result.exit_code)


def _print_scores(console: "Console", result: "ScoreReport") -> None:
    from rich.markup import escape
    from rich.table import Table

    from aimanga.text import printable

    table = Table(box=None, pad_edge=False)
    table.add_column("picture", overflow="fold")
    for metric in result.metrics:
        arrow = "\u2193" if metric.better == "lower" else "\u2191"
        table.add_column(f"{metric.title} {arrow}", justify="right")
    shown = [picture for picture in result.pictures if picture.error is None]
    for picture in shown[:_MOST_ROWS]:
        cells = [_cell(picture.values.get(metric.name)) for metric in result.metrics]
        table.add_row(escape(printable(str(picture.file))), *cells)
    counts = [result.count(metric.name) for metric in result.metrics]
    if len(shown) > 1:
        means = [_cell(result.mean(metric.name)) for metric in result.metrics]
        table.add_row("mean", *means, style="bold")
        intervals = [result.interval(metric.name) for metric in result.metrics]
        if any(intervals):
            table.add_row("95 % from", *(_cell(None if i is None else i.low) for i in intervals))
            table.add_row("95 % to", *(_cell(None if i is None else i.high) for i in intervals))
        table.add_row("of pictures", *map(str, counts))
    console.print(table)
    if len(shown) > _MOST_ROWS:
        say(
            console,
            f"and {counted(len(shown) - _MOST_ROWS, 'more picture')}, all in the mean (--output FILE.csv lists them)",
        )
    problems = [
        f"no {name}: {picture.file}: {problem}" for picture in shown for name, problem in picture.problems.items()
    ]
    for problem in problems[:_MOST_ROWS]:
        say(console, printable(problem))
    if len(problems) > _MOST_ROWS:
        say(console, f"and {counted(len(problems) - _MOST_ROWS, 'more missing score')} (--output FILE.csv lists all)")
    for reason in result.missing.values():
        say(console, reason)
    scored = sum(bool(picture.values) for picture in result.pictures)
    failed = len(result.pictures) - len(shown)
    say(console, f"{counted(scored, 'picture')} scored, {failed} failed in {duration(result.seconds)}")


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def metrics() -> None:
    """Each with its direction, whether it needs references or weights, and its protocol."""
    from rich.console import Console
    from rich.table import Table

    from aimanga.metrics import METRICS, missing_weights

    table = Table(box=None, pad_edge=False)
    for heading in ("metric", "better", "needs", "weights", "protocol"):
        table.add_column(heading, overflow="fold")
    for metric in METRICS:
        here = "none" if not metric.weights else "absent" if missing_weights(metric) else "here"
        needs = "a reference" if metric.needs_reference else ""
        table.add_row(metric.name, metric.better, needs, here, metric.protocol)
    console = Console()
    console.print(table)
    absent = dict.fromkeys(name for metric in METRICS if missing_weights(metric) for name in metric.weights)
    if absent:
        say(console, f"\nabsent weights: aimanga weights fetch {' '.join(absent)}")
