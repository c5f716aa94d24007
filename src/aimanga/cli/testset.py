"""`aimanga testset`."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aimanga.cli.console import say, say_counts
from aimanga.cli.options import Output, with_options
from aimanga.evaluate.options import BuildOptions
from aimanga.text import counted

if TYPE_CHECKING:
    from aimanga.evaluate import BuildPlan

testset = typer.Typer(no_args_is_help=True, add_completion=False)


@testset.command()
@with_options
def build(
    categories: Annotated[
        Path, typer.Argument(metavar="CATEGORIES", help="A folder with a folder for each category.", show_default=False)
    ],
    output: Output,
    options: BuildOptions,
) -> None:
    """Build a test set: choose pictures of several categories, degrade them, and record everything.

    The same pictures and options give the same bytes. licenses.toml in CATEGORIES holds licences and sources.
    """
    from rich.console import Console

    from aimanga.batch import ProgressDisplay
    from aimanga.evaluate import build_test_set

    class Display(ProgressDisplay):
        def on_plan(self, plan: "BuildPlan") -> None:  # type: ignore[override]
            for problem in plan.unusable:
                say(self.console, f"skipped: {problem}")
            for category, (chosen, available) in plan.categories.items():
                say(self.console, f"{category}: {chosen} of {counted(available, 'picture')}")

    console = Console()
    with Display(console, lines={"failed"}) as display:
        report = build_test_set(categories, output, options, watcher=display)
    say_counts(console, report)
    if not report.failed:
        say(console, f"written   {output / 'manifest.json'}")
    raise typer.Exit(report.exit_code)


@testset.command()
def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `build` wrote.", show_default=False)],
) -> None:
    """Compare all files of a set with the SHA-256 in its manifest; exit code 1 if one differs."""
    from rich.console import Console

    from aimanga.evaluate import read_test_set, verify_test_set

    problems = verify_test_set(folder)
    for problem in problems:
        say(Console(), problem)
    if problems:
        raise typer.Exit(1)
    say(Console(), f"{folder}: {counted(len(read_test_set(folder).cases), 'picture')}, all unchanged")


@testset.command()
def show(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Any test set.", show_default=False)],
    scale: Annotated[int, typer.Option(help="The scale to use, of a set with several.")] = 4,
) -> None:
    """Show the layout of a test set: RealSR, DIV2K, pairs such as Set5, one of `build`, or plain pictures."""
    from rich.console import Console

    from aimanga.evaluate import read_test_set

    console = Console()
    found = read_test_set(folder, scale=scale)
    true = sum(case.high is not None for case in found.cases)
    factor = f", x{found.scale}" if found.scale else ""
    say(console, f"{folder}: {found.layout}{factor}, {counted(len(found.cases), 'picture')}, {true} with ground truth")
    for category, number in sorted(Counter(case.category for case in found.cases if case.category).items()):
        say(console, f"{category}: {number}")
