"""`aimanga export`."""

from pathlib import Path
from typing import Annotated

import typer

from aimanga.cli.options import with_options
from aimanga.models.options import ExportOptions
from aimanga.text import file_size


@with_options
def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name, or a weight file.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The .safetensors, .pth or .onnx file to write.", show_default=False),
    ],
    options: ExportOptions,
) -> None:
    """The suffix of the output file decides the format, and the exported model's output is checked.

    .safetensors is a checkpoint with licence and origin, .pth is what programs for Real-ESRGAN's weights read, .onnx
    takes pictures of any size.
    """
    from aimanga.models.export import export

    exported = export(model, output, options)
    variant = exported.variant
    kind = f", attention {variant.attention}, upsampler {variant.upsampler}" if variant else ""
    typer.echo(
        f"{exported.path}: {file_size(exported.path.stat().st_size)}{kind}; "
        f"differs by at most {exported.difference:.1g} from {model} on random noise"
    )
