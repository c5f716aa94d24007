"""`aimanga weights`: the files that are too large or not free enough to be shipped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from aimanga.hashing import sha256_of

weights = typer.Typer(add_completion=False, no_args_is_help=True)

_Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="What `list` shows.", show_default=False)]


@weights.command("list")
def list_files() -> None:
    """List the files that can be fetched, what they are for, and whether they are here."""
    from rich.console import Console
    from rich.table import Table

    from aimanga.weights import WEIGHT_FILES, folder

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "MB", "licence", "here", "for"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "MB" else "left")
    for entry in WEIGHT_FILES:
        size = f"{entry.size / 1e6:.0f}" if entry.size else "?"
        here = "yes" if entry.path.is_file() else "no"
        table.add_row(entry.name, size, entry.license, here, entry.purpose)
    console = Console()
    console.print(table)
    console.print(f"\nfolder: {folder()}", soft_wrap=True, highlight=False)


@weights.command()
def fetch(names: _Names) -> None:
    """Download files; nothing else in aimanga ever uses the network."""
    from aimanga import weights as files

    for entry in [files.weight_file(name) for name in names]:  # all names are known before the first is fetched
        there = entry.path.is_file()
        with _bar(entry.name) as tell:
            path = files.fetch(entry.name, tell)
        known = len(entry.sha256) == 64
        remark = "" if known else f" (published of its SHA-256: {entry.sha256 or 'nothing'})"
        typer.echo(f"{entry.name}: {'was here already' if there else 'fetched'}: {path}")
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
    name: Annotated[str, typer.Argument(metavar="NAME", help="What `list` shows.", show_default=False)],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file, from elsewhere.", show_default=False)],
) -> None:
    """Verify a file that was brought by other means, and put it in place: for machines without a network."""
    from aimanga import weights as files

    typer.echo(f"{name}: added: {files.add(name, file)}")


@weights.command()
def verify() -> None:
    """Check the files that are here against their published digests; exit code 1 where one is damaged."""
    from aimanga import weights as files

    damaged = False
    for entry in files.WEIGHT_FILES:
        if not entry.path.is_file():
            continue
        matches = sha256_of(entry.path).startswith(entry.sha256)
        damaged |= not matches
        good = "good" if entry.sha256 else "here; no digest is published to compare it with"
        typer.echo(f"{entry.name}: {good if matches else f'DAMAGED: aimanga weights fetch {entry.name}'}")
    if damaged:
        raise typer.Exit(1)


@weights.command()
def path(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A file's path; without it the folder's.", show_default=False)
    ] = None,
) -> None:
    """Print where the files lie, or where one of them does."""
    from aimanga import weights as files

    typer.echo(files.find(name) if name else files.folder())
