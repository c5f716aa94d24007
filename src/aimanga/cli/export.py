"""`aimanga export`."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name, or a weight file.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The .safetensors, .pth or .onnx file to write.", show_default=False),
    ],
    preset: Annotated[
        str | None,
        typer.Option(
            help="Make this variant of RRDBNet of it first, without a change of the result: realesrgan, or aimanga "
            "(pixel attention, PixelShuffle).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write a model for other programs, and check that it gives the same pictures.

    .safetensors is a checkpoint with licence and origin, .pth is what programs for Real-ESRGAN's weights read, .onnx
    takes pictures of any size.
    """
    from aimanga.errors import UsageError
    from aimanga.models import PRESETS, load_model
    from aimanga.models.export import export as export_model

    if preset is not None and preset not in PRESETS:
        raise UsageError(f"--preset {preset}: known are {', '.join(PRESETS)}")
    made = export_model(load_model(model), output, PRESETS[preset] if preset else None)
    variant = f", attention {made.variant.attention}, upsampler {made.variant.upsampler}" if made.variant else ""
    typer.echo(
        f"{made.path}: {output.stat().st_size / 1e6:.1f} MB{variant}; "
        f"at most {made.difference:.1g} from {model} on a picture of noise"
    )
