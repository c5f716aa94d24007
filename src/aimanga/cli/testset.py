"""`aimanga testset`: pictures to measure on."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from aimanga.cli.console import say, say_counts
from aimanga.text import counted

testset = typer.Typer(no_args_is_help=True, add_completion=False)


@testset.command()
def build(
    categories: Annotated[
        Path,
        typer.Argument(metavar="CATEGORIES", help="A folder with a folder for each category.", show_default=False),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the set.", show_default=False)],
    count: Annotated[int, typer.Option(help="Pictures in all; equal shares of the categories.")] = 125,
    recipe: Annotated[str, typer.Option(help="The degradation: a name or a TOML file.")] = "aimanga",
    crop: Annotated[
        int | None, typer.Option(help="Side of a random square of each picture.", show_default="the whole picture")
    ] = None,
    seed: Annotated[int, typer.Option(help="All draws follow from it.")] = 0,
    max_pixels: Annotated[int, typer.Option(help="Pass over pictures with more pixels.")] = 2**28,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")] = 1,
) -> None:
    """Choose pictures of several categories, damage them, and write down everything.

    The same pictures, count and seed give the same bytes. licenses.toml in CATEGORIES tells where they are from.
    """
    from rich.console import Console

    from aimanga.batch import ProgressDisplay
    from aimanga.evaluate import plan_test_set, run_test_set

    console = Console()
    plan = plan_test_set(categories, output, count=count, recipe=recipe, crop=crop, seed=seed, max_pixels=max_pixels)
    for problem in plan.unusable:
        say(console, f"skipped: {problem}")
    for category, (taken, there) in plan.categories.items():
        say(console, f"{category}: {taken} of {counted(there, 'picture')}")
    with ProgressDisplay(console, lines={"failed"}) as display:
        report = run_test_set(plan, jobs=jobs, watcher=display)
    say_counts(console, report)
    if not report.failed:
        say(console, f"written   {output / 'manifest.json'}")
    raise typer.Exit(report.exit_code)


@testset.command()
def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `build` has made.", show_default=False)],
) -> None:
    """Compare all files of a set with the SHA-256 in its manifest; exit code 1 where one differs."""
    from rich.console import Console

    from aimanga.evaluate import read_test_set, verify_test_set

    problems = verify_test_set(folder)
    for problem in problems:
        say(Console(), problem)
    if problems:
        raise typer.Exit(1)
    say(Console(), f"{folder}: {counted(len(read_test_set(folder).cases), 'picture')}, all as they were made")


@testset.command()
def show(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Any test set.", show_default=False)],
    scale: Annotated[int, typer.Option(help="Of a set with several scales the one to read.")] = 4,
) -> None:
    """Tell what a folder is read as: RealSR, DIV2K, pairs such as Set5, one of `build`, or plain pictures."""
    from rich.console import Console

    from aimanga.evaluate import read_test_set

    console = Console()
    found = read_test_set(folder, scale=scale)
    true = sum(case.high is not None for case in found.cases)
    factor = f", x{found.scale}" if found.scale else ""
    say(console, f"{folder}: {found.layout}{factor}, {counted(len(found.cases), 'picture')}, {true} with a true one")
    for category, number in sorted(Counter(case.category for case in found.cases if case.category).items()):
        say(console, f"{category}: {number}")
