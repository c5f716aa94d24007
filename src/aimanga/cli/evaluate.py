"""`aimanga evaluate`: several methods in one table."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aimanga.cli.console import say, say_table
from aimanga.text import counted

if TYPE_CHECKING:
    from rich.console import Console

    from aimanga.evaluate import Comparison


def evaluate(
    results: Annotated[
        list[Path],
        typer.Argument(metavar="RESULTS...", help="A folder of pictures for each method.", show_default=False),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for the tables.", show_default=False)],
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
        Path | None, typer.Option(help="The folder of the pictures as they should be.", show_default=False)
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Enter subfolders.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    max_pixels: Annotated[int, typer.Option(help="Refuse pictures with more pixels.")] = 2**28,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")] = 1,
) -> None:
    """Compare the results of several methods on the same pictures: means, the best in bold, for papers and programs.

    What has been scored is kept in the output folder: a second call scores only what has changed.
    """
    from rich.console import Console

    from aimanga.batch import ProgressDisplay
    from aimanga.evaluate import ScoreOptions, plan_evaluation, run_evaluation
    from aimanga.evaluate.comparison import TABLES
    from aimanga.metrics import metric_names

    console = Console()
    options = ScoreOptions(metric_names(metrics, with_reference=reference is not None), reference, device, max_pixels)
    plan = plan_evaluation(results, output, options, recursive=recursive)
    say(console, f"{counted(len(plan.methods), 'method')}, {counted(plan.pictures, 'picture')}")
    with ProgressDisplay(console, lines={"failed"}) as display:
        found = run_evaluation(plan, jobs=jobs, watcher=display)
    _print(console, found)
    for name in TABLES:
        say(console, f"written   {output / name}")
    raise typer.Exit(found.exit_code)


def _print(console: "Console", found: "Comparison") -> None:
    say_table(console, tuple(found.methods), found.columns())
    first = next(iter(found.methods.values()))
    for reason in first.missing.values():
        say(console, reason)
    for name, report in found.methods.items():
        lacking = sum(bool(picture.error or picture.problems) for picture in report.pictures)
        if lacking:
            say(console, f"{name}: {counted(lacking, 'picture')} without all scores (scores.json says why)")
