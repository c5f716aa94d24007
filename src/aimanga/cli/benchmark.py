"""`aimanga benchmark`: methods against one another, with a report."""

from pathlib import Path
from typing import Annotated

import typer

from aimanga.cli.console import say, say_results
from aimanga.text import counted


def benchmark(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="factsheet, models, or a TOML file.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for all of it.", show_default=False)],
    methods: Annotated[
        str, typer.Option("--methods", help="Only these, with commas between them.", show_default="all")
    ] = "",
    sets: Annotated[str, typer.Option("--sets", help="Only these, likewise.", show_default="all")] = "",
    device: Annotated[str, typer.Option(help="Where metrics run: auto, cpu, cuda or cuda:N.")] = "auto",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes for the scores.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Run methods on test sets, score what they make, and compare them: tables, a page, figures for a paper.

    A method is a model, a kernel, a folder of results, or any other program. What is there already and would be the
    same is not made again: after an interruption the same command goes on.
    """
    import shlex

    from rich.console import Console

    from aimanga.batch import ProgressDisplay
    from aimanga.benchmark import load_recipe, plan_benchmark, run_benchmark

    console = Console()
    command = f"aimanga benchmark {shlex.quote(recipe)} -o {shlex.quote(str(output))}"
    for option, value in (("--methods", methods), ("--sets", sets)):
        command += f" {option} {shlex.quote(value)}" if value else ""
    with console.status("looking at methods and pictures"):
        plan = plan_benchmark(
            load_recipe(recipe, _names(methods), _names(sets)), output, device=device, command=command
        )
    for name, entry in plan.sets.items():
        say(console, f"{name}: {counted(entry.pictures, 'picture')}, x{entry.scale}, {', '.join(entry.metrics)}")
    say(console, f"methods: {', '.join(method.name for method in plan.recipe.methods)}")
    for reason in plan.missing:  # before the night, and not after it
        say(console, reason)
    if dry_run:
        return
    # Every picture is made and scored.
    with ProgressDisplay(console, lines={"failed"}) as display:
        report = run_benchmark(plan, jobs=jobs, watcher=display, announce=lambda what: say(console, what))
    say_results(console, report)
    raise typer.Exit(report.exit_code)


def _names(given: str) -> list[str]:
    return [name.strip() for name in given.split(",") if name.strip()]
