"""`aimanga score`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aimanga.cli.console import say
from aimanga.text import counted, duration

if TYPE_CHECKING:
    from rich.console import Console

    from aimanga.evaluate import ScoreReport

_MOST_ROWS = 100  # of a table on the terminal
_WIDTH = 10_000  # of a table elsewhere


def score(
    inputs: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures and folders.", show_default=False)],
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            "-m",
            help="Names with commas between them, or `all`; `aimanga metrics` lists them.",
            show_default="all whose weights are here",
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference",
            help="The pictures as they should be: a folder, by name, or a file.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the table, too: .csv or .json.", show_default=False),
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Enter subfolders.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    max_pixels: Annotated[int, typer.Option(help="Refuse pictures with more pixels.")] = 2**28,
    first_page: Annotated[
        bool,
        typer.Option("--first-page", help="Of an animation take the first picture, instead of refusing it."),
    ] = False,
    scale: Annotated[
        int, typer.Option(help="Scale in the names of pictures: with 4 the reference of babyx4.png is baby.png.")
    ] = 4,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")] = 1,
    report: Annotated[
        Path | None, typer.Option(help="Append one line of JSON a picture to this file.", show_default=False)
    ] = None,
) -> None:
    """Score pictures: how good they look, or how near they are to what they should be.

    With --output an interrupted run goes on where it stopped.
    """
    from rich.console import Console

    from aimanga.batch import ProgressDisplay
    from aimanga.evaluate import ScoreOptions, plan_scores, run_scores
    from aimanga.metrics import metric_names

    console = Console()
    if not console.is_terminal:  # a program reads it, which wants its lines whole
        console = Console(width=_WIDTH)
    names = metric_names(metrics, with_reference=reference is not None)
    options = ScoreOptions(names, reference, device, max_pixels, first_page, scale)
    plan = plan_scores(inputs, options, output=output, recursive=recursive)
    with ProgressDisplay(console, lines={"failed"}) as display:
        result = run_scores(plan, jobs=jobs, report=report, watcher=display)
    _print_scores(console, result)
    if output is not None:
        say(console, f"written   {output}")
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
        say(console, f"{len(shown) - _MOST_ROWS} more pictures are in the mean (--output FILE.csv has all)")
    problems = [
        f"no {name}: {picture.file}: {problem}" for picture in shown for name, problem in picture.problems.items()
    ]
    for problem in problems[:_MOST_ROWS]:
        say(console, printable(problem))
    if len(problems) > _MOST_ROWS:
        say(console, f"{len(problems) - _MOST_ROWS} more scores are missing (--output FILE.csv says why)")
    for reason in result.missing.values():
        say(console, reason)
    scored = sum(bool(picture.values) for picture in result.pictures)
    failed = len(result.pictures) - len(shown)
    say(console, f"{counted(scored, 'picture')} scored, {failed} failed in {duration(result.seconds)}")


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def metrics() -> None:
    """List the metrics: what they tell, what they need, how they look at a picture."""
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
