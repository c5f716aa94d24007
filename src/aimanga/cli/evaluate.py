"""`aimanga evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aimanga.cli.console import say, say_results
from aimanga.cli.options import Output, with_options
from aimanga.evaluate.options import EvaluateOptions
from aimanga.text import counted

if TYPE_CHECKING:
    from aimanga.evaluate import EvaluationPlan


@with_options
def evaluate(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULTS...", help="A folder for each method.", show_default=False)
    ],
    output: Output,
    options: EvaluateOptions,
) -> None:
    """Means with intervals and significance, for papers and programs; a method is called as its folder.

    Scores are kept in the output folder: a second call scores only what has changed.
    """
    from rich.console import Console

    from aimanga.batch import ProgressDisplay
    from aimanga.evaluate import evaluate

    class Display(ProgressDisplay):
        def on_plan(self, plan: "EvaluationPlan") -> None:  # type: ignore[override]
            say(self.console, f"{counted(len(plan.files), 'method')}, {counted(plan.pictures, 'picture')}")

    console = Console()
    with Display(console, lines={"failed"}) as display:
        report = evaluate(results, output, options, watcher=display)
    say_results(console, report)
    raise typer.Exit(report.exit_code)
