"""`aimanga upscale`."""

from typing import TYPE_CHECKING

import typer

from aimanga.cli.console import say, say_counts, say_left_out
from aimanga.cli.options import Inputs, Output, with_options
from aimanga.text import counted, duration, printable
from aimanga.upscale.options import UpscaleOptions

if TYPE_CHECKING:
    from rich.console import Console

    from aimanga.upscale import UpscalePlan


# Seconds from which on a faster model is named.
_LONG = 600


@with_options
def upscale(inputs: Inputs, output: Output, options: UpscaleOptions) -> None:
    """Folders are mirrored, and a result has the name of its source; OUTPUT can also be the result of a single picture.

    Finished results are skipped: after an interruption the same command resumes.
    """
    from rich.console import Console

    from aimanga.batch import ProgressDisplay
    from aimanga.upscale import upscale_files

    class Display(ProgressDisplay):
        def on_plan(self, plan: object) -> None:
            (_print_plan if options.dry_run else _announce)(self.console, plan)  # type: ignore[arg-type]

    console = Console()
    with Display(console) as display:
        report = upscale_files(inputs, output, options, watcher=display)
    if options.dry_run:
        return
    say_counts(console, report)
    raise typer.Exit(report.exit_code)


def _print_plan(console: "Console", plan: "UpscalePlan") -> None:
    for picture in plan.pictures:
        source, target = picture.job.source, picture.job.target
        status = plan.status(picture)
        if status == "failed":
            line = f"fails     {picture.problem}"
        elif status == "skipped":
            line = f"skips     {target}  (already there)"
        else:
            sizes = " -> ".join(f"{size[0]} x {size[1]}" for size in (picture.input_size, picture.output_size) if size)
            line = f"upscales  {source} -> {target}  {sizes}"
        say(console, printable(line))


def _announce(console: "Console", plan: "UpscalePlan") -> None:
    from aimanga.models.catalog import find_model
    from aimanga.upscale import load_engine
    from aimanga.upscale.precision import describe

    options = plan.options
    engine = load_engine(options.model, options.device, options.precision)
    license = f" ({engine.model.license})" if engine.model.license else ""
    lines = [f"{engine.model.name}{license} on {describe(engine.device, engine.precision)}"]
    waiting = plan.waiting
    summary = f"{len(waiting)} of {counted(len(plan.pictures), 'picture')} to upscale"
    faster: list[str] = []
    if waiting:
        inputs = sum(p.input_size[0] * p.input_size[1] for p in waiting if p.input_size)
        outputs = sum(p.output_size[0] * p.output_size[1] for p in waiting if p.output_size)
        summary += f", {inputs / 1e6:.2f} -> {outputs / 1e6:.1f} megapixels"
    if waiting and options.strength > 0:
        pixels = sum(p.job.cost for p in waiting)
        with console.status("measuring the speed"):
            seconds = engine.seconds_per_pixel() * pixels
            entry = find_model(options.model)
            if seconds > _LONG and entry is not None and entry.faster is not None:
                fast = load_engine(entry.faster, options.device, options.precision).seconds_per_pixel() * pixels
                faster = [f"about {duration(fast)} with --model {entry.faster}, which is small and fast"]
        summary += f", about {duration(seconds)}"
    lines += [summary, *faster]
    if waiting and not engine.streams:
        lines.append(f"{engine.model.name} looks at the whole picture: large ones are cut into overlapping tiles")
    if not options.overwrite and (present := sum(p.present for p in plan.pictures)):
        lines.append(f"{present} already there (--overwrite replaces them)")
    for line in lines:
        say(console, line)
    say_left_out(console, plan.ignored, plan.subfolders)
