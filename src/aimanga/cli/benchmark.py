"""`aimanga benchmark`."""

from typing import TYPE_CHECKING, Annotated

import typer

from aimanga.benchmark.options import BenchmarkOptions
from aimanga.cli.console import say, say_results
from aimanga.cli.options import Output, with_options
from aimanga.text import counted

if TYPE_CHECKING:
    from aimanga.benchmark import BenchmarkPlan


@with_options
def benchmark(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="factsheet, models, or a TOML file.", show_default=False)
    ],
    output: Output,
    options: BenchmarkOptions,
) -> None:
    """Tables, a report page, and figures for a paper. A method is a model, a kernel, a folder of results, or a program.

    What exists and is up to date is not repeated: after an interruption the same command resumes.
    """
    from rich.console import Console

    from aimanga.batch import ProgressDisplay
    from aimanga.benchmark import benchmark

    class Display(ProgressDisplay):
        def on_plan(self, plan: "BenchmarkPlan") -> None:  # type: ignore[override]
            for name, entry in plan.sets.items():
                metrics = ", ".join(metric.name for metric in entry.metrics)
                say(self.console, f"{name}: {counted(entry.pictures, 'picture')}, x{entry.scale}, {metrics}")
            say(self.console, f"methods: {', '.join(method.name for method in plan.recipe.methods)}")
            for reason in plan.missing:
                say(self.console, reason)

        def on_stage(self, text: str) -> None:
            say(self.console, text)

    console = Console()
    with Display(console, lines={"failed"}) as display:
        report = benchmark(recipe, output, options, watcher=display)
    if options.dry_run:
        return
    say_results(console, report)
    raise typer.Exit(report.exit_code)
