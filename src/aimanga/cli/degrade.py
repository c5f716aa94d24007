"""`aimanga degrade`: preview, store, remake and fit degradations."""

from pathlib import Path
from typing import Annotated

import typer

from aimanga.cli.console import say, say_counts, say_left_out
from aimanga.cli.options import Inputs, Output, with_options
from aimanga.degrade.options import FitOptions, PairOptions, PreviewOptions
from aimanga.text import counted

degrade = typer.Typer(add_completion=False, no_args_is_help=True)


@degrade.command()
@with_options
def preview(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture of good quality.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The contact sheet.", show_default=False)],
    options: PreviewOptions,
) -> None:
    """Show what a recipe makes of a picture: a contact sheet with the steps that were drawn for each sample."""
    from rich.console import Console

    from aimanga.degrade import preview_recipe

    sheet = preview_recipe(image, output, options)
    say(Console(), f"{output}: {counted(options.samples, 'sample')} of {image}, {sheet.width} x {sheet.height}")


@degrade.command()
@with_options
def pairs(inputs: Inputs, output: Output, options: PairOptions) -> None:
    """Store pairs of HR and LR pictures, with every parameter that was drawn.

    The same seed gives the same bytes. Existing pairs are skipped: after an interruption the same command resumes.
    """
    from rich.console import Console

    from aimanga.batch import ProgressDisplay
    from aimanga.degrade import PairPlan, make_pairs

    class Display(ProgressDisplay):
        def on_plan(self, plan: object) -> None:
            assert isinstance(plan, PairPlan)
            count = f"{counted(len(plan.jobs), 'pair')} of {counted(plan.pictures, 'picture')}"
            say(self.console, f"recipe {options.recipe}: {count}")
            say_left_out(self.console, plan.ignored, plan.subfolders)

    console = Console()
    with Display(console) as display:
        report = make_pairs(inputs, output, options, watcher=display)
    say_counts(console, report)
    raise typer.Exit(report.exit_code)


@degrade.command()
def remake(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of pairs.", show_default=False)],
    name: Annotated[str, typer.Argument(metavar="LR/NAME.png", help="As the manifest says.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The LR picture to write.", show_default=False)],
) -> None:
    """Make one stored LR picture again, from its line of the manifest."""
    from rich.console import Console

    from aimanga import degrade
    from aimanga.images import format_of, write

    format_of(output)  # before the work
    picture = degrade.remake(folder, name)
    write(picture, output)
    say(Console(), f"{output}: {picture.width} x {picture.height}")


@degrade.command()
@with_options
def fit(
    hq: Annotated[list[Path], typer.Option("--hq", help="Pictures of good quality: a folder.", show_default=False)],
    real: Annotated[
        list[Path], typer.Option("--real", help="Real pictures of low quality: a folder.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The recipe: a .toml file.", show_default=False)],
    options: FitOptions,
) -> None:
    """Search the recipe that makes good pictures as bad as real ones are.

    Writes the recipe, plots of what was compared (RECIPE.marginals.png), and a preview (RECIPE.preview.png).
    """
    from rich.console import Console
    from rich.progress import Progress

    from aimanga.degrade import fit_recipe

    console = Console()
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("reading the pictures", total=options.trials)
        result = fit_recipe(
            hq, real, output, options,
            on_trial=lambda n, best: progress.update(task, completed=n, description=f"distance {best:.3f}"),
        )  # fmt: skip
    for line in result.skipped:
        say(console, f"skipped   {line}")
    good, bad = result.pictures
    trials = counted(options.trials, "trial")
    say(console, f"{counted(good, 'picture')} of good quality, {counted(bad, 'real one')}, {trials}")
    say(console, f"distance on held-out pictures: {result.before:.3f} before, {result.after:.3f} after")
    say(console, f"between the real pictures of the search and the held-out ones: {result.floor:.3f}")
    for suffix in (".toml", ".marginals.png", ".preview.png"):
        say(console, f"written   {output.with_suffix(suffix)}")


@degrade.command()
def recipes(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[RECIPE]", help="Print it, as a start for one of your own.", show_default=False),
    ] = None,
) -> None:
    """List the recipes that come with aimanga, or print one."""
    from rich.console import Console

    from aimanga.degrade import DEGRADATIONS, degradation_file, load_degradation

    console = Console()
    if name is not None:
        load_degradation(name)
        typer.echo(degradation_file(name).read_text(encoding="utf-8"), nl=False)
        return
    for shipped in DEGRADATIONS:
        say(console, f"{shipped}: {' '.join(load_degradation(shipped).description.split())}")
