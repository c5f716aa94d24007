"""`aimanga models`."""

from typing import Annotated

import typer


def models(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also show network, training data and source.")
    ] = False,
) -> None:
    """List the models that are known by name, with the licences of their weights."""
    from rich.console import Console
    from rich.table import Table

    from aimanga.models import DEFAULT_MODEL, MODELS

    table = Table(box=None, pad_edge=False)
    for heading in (
        "model",
        "scale",
        "licence",
        "for",
        *(("network", "trained on", "source") if verbose else ()),
    ):
        table.add_column(heading, overflow="fold")
    for model in MODELS:
        name = f"{model.name} (default)" if model.name == DEFAULT_MODEL else model.name
        row = [name, f"x{model.scale}", model.license, model.purpose]
        if verbose:
            parameters = ", ".join(f"{key} {value}" for key, value in model.parameters.items())
            row += [f"{model.network}: {parameters}", model.training_data, model.source]
        table.add_row(*row)
    console = Console()
    console.print(table)
    console.print(
        "\nAny .pth or .safetensors of RRDBNet (ESRGAN, Real-ESRGAN) or SRVGGNetCompact works too: --model FILE"
    )
