"""`aimanga degrade`: what photos suffer, to be seen, stored, repeated and tuned."""

from pathlib import Path
from typing import Annotated

import typer

from aimanga.cli.console import say, say_counts, say_left_out
from aimanga.text import counted

degrade = typer.Typer(add_completion=False, no_args_is_help=True)

_Inputs = Annotated[list[Path], typer.Argument(metavar="HR...", help="Pictures and folders.", show_default=False)]
_Recipe = Annotated[str, typer.Option("--recipe", help="A name that `aimanga degrade recipes` lists, or a TOML file.")]
_Seed = Annotated[int, typer.Option(help="All that is drawn follows from it and from the names.")]


@degrade.command()
def preview(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture of good quality.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The contact sheet.", show_default=False)],
    recipe: _Recipe = "aimanga",
    samples: Annotated[int, typer.Option("--samples", "-n", help="How many.")] = 8,
    crop: Annotated[int, typer.Option(help="Show at most this much of the picture's middle, in pixels.")] = 400,
    seed: _Seed = 0,
) -> None:
    """Show what a recipe makes of a picture: a contact sheet, with what was drawn under each sample."""
    from rich.console import Console

    from aimanga.degrade import PairOptions, load_recipe
    from aimanga.degrade.preview import preview as make_sheet
    from aimanga.images import format_of, read, write

    format_of(output)  # before the work
    options = PairOptions(load_recipe(recipe), crop, seed)
    sheet = make_sheet(read(image, first_page=True), options, name=image.stem, samples=samples)
    write(sheet, output)
    say(Console(), f"{output}: {counted(samples, 'sample')} of {image}, {sheet.width} x {sheet.height}")


@degrade.command()
def pairs(
    inputs: _Inputs,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for HR, LR and the manifest.", show_default=False)
    ],
    recipe: _Recipe = "aimanga",
    per_image: Annotated[int, typer.Option("--per-image", "-n", help="Pairs of each picture.")] = 1,
    crop: Annotated[
        int | None, typer.Option(help="Side of a random square of each picture.", show_default="the whole picture")
    ] = None,
    seed: _Seed = 0,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Enter subfolders; they are mirrored.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Make pairs again that are there already.")] = False,
    max_pixels: Annotated[int, typer.Option(help="Refuse pictures with more pixels.")] = 2**28,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")] = 1,
    report: Annotated[
        Path | None, typer.Option(help="Append one line of JSON a pair to this file.", show_default=False)
    ] = None,
) -> None:
    """Store pairs of high and low resolution, with every parameter that was drawn.

    The same seed gives the same bytes. Finished pairs are skipped: after an interruption the same command goes on.
    """
    from rich.console import Console

    from aimanga.batch import ProgressDisplay
    from aimanga.degrade import PairOptions, load_recipe, plan_pairs, run_pairs

    console = Console()
    options = PairOptions(load_recipe(recipe), crop, seed, max_pixels)
    plan = plan_pairs(inputs, output, options, per_image=per_image, recursive=recursive)
    say(console, f"recipe {recipe}: {counted(len(plan.jobs), 'pair')} of {counted(plan.pictures, 'picture')}")
    say_left_out(console, plan.ignored, plan.subfolders)
    with ProgressDisplay(console) as display:
        result = run_pairs(plan, overwrite=overwrite, jobs=jobs, report=report, watcher=display)
    say_counts(console, result)
    raise typer.Exit(result.exit_code)


@degrade.command()
def remake(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `pairs` has made.", show_default=False)],
    name: Annotated[str, typer.Argument(metavar="LR/NAME.png", help="As the manifest says.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture to write.", show_default=False)],
) -> None:
    """Make one stored picture of low resolution again, from its line of the manifest."""
    from rich.console import Console

    from aimanga.degrade import remake as make_again
    from aimanga.images import format_of, write

    format_of(output)
    picture = make_again(folder, name)
    write(picture, output)
    say(Console(), f"{output}: {picture.width} x {picture.height}")


@degrade.command()
def fit(
    hq: Annotated[list[Path], typer.Option("--hq", help="Pictures of good quality: a folder.", show_default=False)],
    real: Annotated[
        list[Path], typer.Option("--real", help="Real pictures of low quality: a folder.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The recipe: a .toml file.", show_default=False)],
    recipe: Annotated[
        str, typer.Option("--recipe", help="The recipe to begin with: the result has its parts.")
    ] = "realesrgan",
    trials: Annotated[int, typer.Option(help="How many recipes to try.")] = 150,
    samples: Annotated[int, typer.Option(help="Squares to degrade for each.")] = 192,
    seed: _Seed = 0,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Enter subfolders.")] = False,
) -> None:
    """Search the recipe that makes good pictures as bad as real ones are.

    Writes the recipe, plots of what was compared (RECIPE.marginals.png), and a preview (RECIPE.preview.png).
    """
    from rich.console import Console
    from rich.progress import Progress

    from aimanga.degrade.fit import check_writable, write_fit
    from aimanga.degrade.fit import fit as search

    check_writable(output)
    console = Console()
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("reading the pictures", total=trials)
        result = search(
            hq, real, start=recipe, trials=trials, samples=samples, seed=seed, recursive=recursive,
            tell=lambda n, best: progress.update(task, completed=n, description=f"distance {best:.3f}"),
        )  # fmt: skip
    for line in result.left_out:
        say(console, f"left out  {line}")
    good, bad = result.pictures
    say(console, f"{counted(good, 'picture')} of good quality, {counted(bad, 'real one')}, {counted(trials, 'trial')}")
    say(console, f"distance on held-out pictures: {result.before:.3f} before, {result.after:.3f} after")
    say(console, f"between the real pictures of the search and the held-out ones: {result.floor:.3f}")
    command = f"aimanga degrade fit --recipe {recipe} --trials {trials} --samples {samples} --seed {seed}"
    for path in (output, *write_fit(result, output, f"Made by: {command}")):
        say(console, f"written   {path}")


@degrade.command()
def recipes(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[RECIPE]", help="Print it, as a start for one of your own.", show_default=False),
    ] = None,
) -> None:
    """List the recipes that come with aimanga, or print one."""
    from rich.console import Console

    from aimanga.degrade import SHIPPED, load_recipe, recipe_path

    console = Console()
    if name is not None:
        load_recipe(name)
        typer.echo(recipe_path(name).read_text(encoding="utf-8"), nl=False)
        return
    for shipped in SHIPPED:
        say(console, f"{shipped}: {' '.join(load_recipe(shipped).description.split())}")
