"""The command `aimanga`: its verbs and its exit codes."""

import os
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from aimanga.errors import AimangaError
from aimanga.version import __version__

WRONG_USAGE = 2
INTERRUPTED = 130

VERBS = {
    "upscale": "Upscale pictures.",
    "curate": "Select the photos that are worth training on.",
    "degrade": "Degrade photos as the web does: preview, store pairs, fit a recipe.",
    "train": "Train a network on your own photos.",
    "score": "Score pictures, with or without references.",
    "evaluate": "Compare the results of several methods in one table.",
    "benchmark": "Run methods on test sets and compare them.",
    "testset": "Build, verify and read test sets.",
    "metrics": "List the metrics.",
    "models": "List the models; show one, mix several, sweep between two.",
    "weights": "Fetch weight files, or add them by hand.",
    "export": "Export a model for other programs.",
}
"""The verbs, in the order of the help: `aimanga.cli.NAME` has a command or a group of that name."""

_MODULES = {"metrics": "score"}


class _Verbs(TyperGroup):
    """Imports a verb when it is called, so that the help answers at once."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401  click's context
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401
        if cmd_name not in VERBS:
            return super().get_command(ctx, cmd_name)
        verb = getattr(import_module(f"aimanga.cli.{_MODULES.get(cmd_name, cmd_name)}"), cmd_name)
        group = verb if isinstance(verb, typer.Typer) else typer.Typer(add_completion=False)
        if group is not verb:
            group.command()(verb)
        command = typer.main.get_command(group)
        command.name = cmd_name
        details = [] if group is verb else (command.help or "").split("\n\n")
        # Rich breaks lines where the source does, unless each paragraph is one line.
        command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in (VERBS[cmd_name], *details))
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        lister = _Summaries(name=self.name, params=self.params, help=self.help, rich_markup_mode=self.rich_markup_mode)
        lister.format_help(ctx, formatter)


class _Summaries(TyperGroup):
    """What the help shows of the verbs, without importing them."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401
        return TyperCommand(cmd_name, help=VERBS[cmd_name])


app = typer.Typer(
    name="aimanga",
    cls=_Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aimanga {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Real-world image super-resolution: upscale real photos four times, offline and without seams.

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
        typer.secho("interrupted: what is finished is kept; the same command resumes", err=True)
        sys.stdout.flush()
        sys.stderr.flush()
        # At once: an encoder that is still at work in its thread would hold up an ordinary exit.
        os._exit(INTERRUPTED)
