"""The command `aimanga`: its verbs, its exit codes."""

import os
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

import aimanga
from aimanga.cli.benchmark import benchmark
from aimanga.cli.curate import curate
from aimanga.cli.degrade import degrade
from aimanga.cli.evaluate import evaluate
from aimanga.cli.export import export
from aimanga.cli.models import models
from aimanga.cli.score import metrics, score
from aimanga.cli.testset import testset
from aimanga.cli.train import train
from aimanga.cli.upscale import upscale
from aimanga.cli.weights import weights
from aimanga.errors import AimangaError

WRONG_USAGE = 2
INTERRUPTED = 130

app = typer.Typer(
    name="aimanga",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(upscale)
app.command()(curate)
app.add_typer(degrade, name="degrade")
app.command()(train)
app.command()(score)
app.command()(evaluate)
app.command()(benchmark)
app.add_typer(testset, name="testset")
app.command()(metrics)
app.add_typer(models, name="models")
app.add_typer(weights, name="weights")
app.command()(export)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aimanga {aimanga.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Real-world image super-resolution: make real photos four times larger, offline and without seams.

    Exit codes: 0 all done, 1 some files failed, 2 wrong usage, 130 interrupted.
    """


def main() -> None:
    """Run the command line; ends the process with the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a file name can hold what the terminal's encoding does not have
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="aimanga")
    except (AimangaError, OSError) as error:
        typer.secho(f"aimanga: {error}", err=True, fg=typer.colors.RED)
        sys.exit(WRONG_USAGE)
    except SystemExit as end:
        if end.code != INTERRUPTED:
            raise
        typer.secho("interrupted: what is finished is kept; the same command goes on from there", err=True)
        sys.stdout.flush()
        sys.stderr.flush()
        # At once: an encoder that is still at work in its thread would hold up an ordinary exit.
        os._exit(INTERRUPTED)
