"""`aimanga weights`: the weight files that are not shipped, because of their size or their licence."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from aimanga.hashing import sha256_of

weights = typer.Typer(add_completion=False, no_args_is_help=True)

_Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Names that `list` shows.", show_default=False)]


@weights.command("list")
def list_files() -> None:
    """List the files that can be downloaded, what they are for, and whether they are on this machine."""
    from rich.console import Console
    from rich.table import Table

    from aimanga.weights import WEIGHT_FILES, folder

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "MB", "licence", "here", "for"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "MB" else "left")
    for entry in WEIGHT_FILES:
        size = f"{entry.size / 1e6:.0f}" if entry.size else "?"
        table.add_row(entry.name, size, entry.license, "yes" if entry.present else "no", entry.purpose)
    console = Console()
    console.print(table)
    console.print(f"\nfolder: {folder()}", soft_wrap=True, highlight=False)


@weights.command()
def fetch(names: _Names) -> None:
    """Download files. No other command of aimanga uses the network."""
    from aimanga import weights as files

    for entry in [files.weight_file(name) for name in names]:  # unknown names are refused before the first download
        present = entry.present
        with _bar(entry.name) as progress:
            path = files.fetch(entry.name, progress)
        known = len(entry.sha256) == 64
        remark = "" if known else f" (published of it: {entry.sha256 or 'nothing'})"
        typer.echo(f"{entry.name}: {'already present' if present else 'downloaded'}: {path}")
        typer.echo(f"  SHA-256 {sha256_of(path)}{remark}, licence {entry.license}")


@contextmanager
def _bar(name: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:2], DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total or None)


@weights.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name that `list` shows.", show_default=False)],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The downloaded file.", show_default=False)],
) -> None:
    """Verify a file and copy it into the folder of weights, for machines without a network."""
    from aimanga import weights as files

    typer.echo(f"{name}: added: {files.add(name, file)}")


@weights.command()
def verify() -> None:
    """Verify the downloaded files against their published digests; the exit code is 1 if one is damaged."""
    from aimanga.errors import ModelError
    from aimanga.weights import WEIGHT_FILES

    damaged = False
    for entry in (entry for entry in WEIGHT_FILES if entry.present):
        try:
            entry.verified()
            verdict = "good" if entry.sha256 else "present; no digest is published to compare with"
        except ModelError:
            damaged = True
            verdict = f"DAMAGED: aimanga weights fetch {entry.name}"
        typer.echo(f"{entry.name}: {verdict}")
    if damaged:
        raise typer.Exit(1)


@weights.command()
def path(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Print the path of this file instead.", show_default=False),
    ] = None,
) -> None:
    """Print the folder of weights, or the path of a file in it."""
    from aimanga import weights as files

    typer.echo(files.find(name) if name else files.folder())
