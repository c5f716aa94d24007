"""`aimanga evaluate`: several methods in one table."""

from pathlib import Path
from typing import Annotated

import typer

from aimanga.cli.console import say, say_results
from aimanga.text import counted


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
    scale: Annotated[int, typer.Option(help="Scale in the names of pictures, as in babyx4.png.")] = 4,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")] = 1,
) -> None:
    """Compare the results of several methods on the same pictures: means, the best in bold, for papers and programs.

    What has been scored is kept in the output folder: a second call scores only what has changed.
    """
    from rich.console import Console

    from aimanga.batch import ProgressDisplay
    from aimanga.evaluate import ScoreOptions, plan_evaluation, run_evaluation
    from aimanga.metrics import metric_names

    console = Console()
    names = metric_names(metrics, with_reference=reference is not None)
    options = ScoreOptions(names, reference, device, max_pixels, scale=scale)
    plan = plan_evaluation(results, output, options, recursive=recursive)
    say(console, f"{counted(len(plan.files), 'method')}, {counted(plan.pictures, 'picture')}")
    with ProgressDisplay(console, lines={"failed"}) as display:
        report = run_evaluation(plan, jobs=jobs, watcher=display)
    say_results(console, report)
    raise typer.Exit(report.exit_code)
