"""`aimanga upscale`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aimanga.cli.console import say, say_counts, say_left_out
from aimanga.text import counted, duration

if TYPE_CHECKING:
    from rich.console import Console

    from aimanga.upscale import UpscalePlan


def upscale(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Pictures and folders.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Folder for the results; for a single picture also the file.",
            show_default=False,
        ),
    ],
    model: Annotated[
        str, typer.Option("--model", "-m", help="A name that `aimanga models` lists, or a weight file.")
    ] = "realesrgan-x4plus",
    scale: Annotated[
        float | None,
        typer.Option("--scale", "-s", help="Output size over input size: 2, 3.5, 4 ...", show_default="the model's"),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(help="Width of the results in pixels, instead of --scale.", show_default=False),
    ] = None,
    strength: Annotated[
        float, typer.Option(help="0: a plain bicubic upscale, 1: all that the network makes of it.")
    ] = 1.0,
    format: Annotated[
        str | None,
        typer.Option("--format", "-f", help="png, jpg, webp, tiff or avif.", show_default="the input's"),
    ] = None,
    quality: Annotated[
        int | None,
        typer.Option("--quality", "-q", help="1 to 100, for jpg, webp (100: lossless) and avif.", show_default="95"),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = "auto",
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Enter subfolders; they are mirrored.")] = False,
    suffix: Annotated[str, typer.Option(help="Put behind each result's name: --suffix _x4.")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Make results again that are there already.")] = False,
    strip_metadata: Annotated[
        bool, typer.Option("--strip-metadata", help="Leave out EXIF and XMP; the colour profile stays.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="Append one line of JSON a picture to this file.", show_default=False)
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes. On a CPU, one uses all cores well.")] = 1,
    max_pixels: Annotated[int, typer.Option(help="Refuse pictures with more pixels.")] = 2**28,
    first_page: Annotated[
        bool,
        typer.Option("--first-page", help="Of an animation take the first picture, instead of refusing it."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Make pictures larger, and better.

    Folders are mirrored; a result has the name of its source.
    Finished results are skipped: after an interruption the same command goes on.
    """
    from rich.console import Console

    from aimanga.batch import ProgressDisplay
    from aimanga.upscale import UpscaleOptions, plan_upscale, run_plan

    console = Console()
    options = UpscaleOptions(
        model, scale, width, strength, quality, device, precision, strip_metadata, max_pixels, first_page
    )
    with console.status("looking at the pictures"):
        plan = plan_upscale(inputs, output, options, format=format, recursive=recursive, suffix=suffix)
    if dry_run:
        _print_plan(console, plan, overwrite)
        return
    _announce(console, plan, overwrite)
    costs = {p.job.source: float(p.input_size[0] * p.input_size[1]) for p in plan.pictures if p.input_size}
    with ProgressDisplay(console, costs, len(plan.pictures)) as display:
        result = run_plan(plan, overwrite=overwrite, jobs=jobs, report=report, watcher=display)
    say_counts(console, result)
    raise typer.Exit(result.exit_code)


def _print_plan(console: "Console", plan: "UpscalePlan", overwrite: bool) -> None:
    from aimanga.text import printable

    for picture in plan.pictures:
        source, target = picture.job.source, picture.job.target
        if picture.problem is not None:
            line = f"fails     {picture.problem}"
        elif picture.present and not overwrite:
            line = f"skips     {target}  (already there)"
        else:
            sizes = " -> ".join(f"{size[0]} x {size[1]}" for size in (picture.input_size, picture.output_size) if size)
            line = f"upscales  {source} -> {target}  {sizes}"
        say(console, printable(line))


def _announce(console: "Console", plan: "UpscalePlan", overwrite: bool) -> None:
    from aimanga.upscale import load_engine
    from aimanga.upscale.precision import describe

    options = plan.options
    engine = load_engine(options.model, options.device, options.precision)
    licence = f" ({engine.model.license})" if engine.model.license else ""
    lines = [f"{engine.model.name}{licence} on {describe(engine.device, engine.precision)}"]
    waiting = plan.waiting(overwrite=overwrite)
    inputs = sum(p.input_size[0] * p.input_size[1] for p in waiting if p.input_size)
    outputs = sum(p.output_size[0] * p.output_size[1] for p in waiting if p.output_size)
    summary = f"{len(waiting)} of {counted(len(plan.pictures), 'picture')} to make"
    if waiting:
        summary += f", {inputs / 1e6:.2f} -> {outputs / 1e6:.1f} megapixels"
    if waiting and options.strength > 0:
        with console.status("measuring the speed"):
            seconds = engine.seconds_per_pixel() * sum(p.network_pixels for p in waiting)
        summary += f", about {duration(seconds)}"
    lines.append(summary)
    if waiting and not engine.streams:
        lines.append(f"{engine.model.name} looks at the whole picture: large ones are cut into overlapping tiles")
    if not overwrite and (present := sum(p.present for p in plan.pictures)):
        lines.append(f"{present} already there (--overwrite makes them again)")
    for line in lines:
        say(console, line)
    say_left_out(console, plan.ignored, plan.subfolders)
