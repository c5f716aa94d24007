"""Find the files of a batch and name their results."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aimanga.atomic import is_part
from aimanga.errors import UsageError

Paths = str | Path | Sequence[str | Path]
"""A file, a folder, or several of them."""


def as_paths(inputs: Paths) -> list[Path]:
    """A file, a folder, or several of them, as a list."""
    return [Path(path) for path in ([inputs] if isinstance(inputs, str | Path) else inputs)]


@dataclass(frozen=True)
class Job:
    """One file to work on, and the file that the result goes to.

    Attributes:
        source: The file to read.
        target: The file to write.
        cost: How much work it is, in any unit: progress bars count with it.
    """

    source: Path
    target: Path
    cost: float = 1.0


@dataclass(frozen=True)
class Plan:
    """The jobs of a batch, in order, and what was skipped in the input folders.

    Attributes:
        jobs: Sorted by source, folder by folder.
        ignored: Files that have no suffix of the wanted ones.
        subfolders: Folders that are skipped without `recursive`.
    """

    jobs: tuple[Job, ...]
    ignored: int
    subfolders: int


def plan(
    inputs: Iterable[Path],
    output: Path,
    *,
    suffixes: Collection[str],
    result_name: Callable[[Path], str],
    recursive: bool = False,
) -> Plan:
    """Find the files of a batch and name their results.

    A file that is named is taken whatever its suffix; from a folder all files with one of `suffixes`, except
    hidden ones. The folders' structure is mirrored in `output`. Where two results would get one name, the files
    whose suffix changes keep the old one in it: `a.jpg` beside `a.png` becomes `a.jpg.png`; what still
    collides, within one folder, is numbered in order: `a-2.png`. Results of a former run that lie beside their
    sources are no sources.

    Args:
        inputs: Files and folders.
        output: The folder for the results; or the result itself, where the only input is a file and
            `output` has a suffix and is no folder.
        suffixes: Suffixes of the files to take from folders, lower case with a dot.
        result_name: Gives the name of the result for a source.
        recursive: Whether to enter subfolders.

    Returns:
        The plan; nothing is written.

    Raises:
        UsageError: An input does not exist or cannot be read, nothing was found, or a result would replace a source
            or the result of a source in another folder.
    """
    inputs = _existing(inputs)
    if len(inputs) == 1 and inputs[0].is_file() and output.suffix and not output.is_dir():
        found = _Found([(inputs[0], Path())])
        jobs = [Job(inputs[0], output)]
    else:
        if output.exists() and not output.is_dir():
            raise UsageError(f"{output}: several results need a folder, and this is a file")
        found = _find(inputs, output, suffixes, recursive)
        found.files = _without_results(found.files, output, result_name)
        jobs = _name_results(found.files, output, result_name)
    if not jobs:
        raise _none_found(inputs, found, recursive)
    _check_overwriting(jobs)
    return Plan(tuple(jobs), found.ignored, found.subfolders)


def find(inputs: Iterable[Path], *, suffixes: Collection[str], recursive: bool = False) -> tuple[Path, ...]:
    """Find the files that `plan` would take from files and folders.

    Raises:
        UsageError: An input does not exist or cannot be read, or nothing was found.
    """
    inputs = _existing(inputs)
    found = _find(inputs, None, suffixes, recursive)
    if not found.files:
        raise _none_found(inputs, found, recursive)
    return tuple(file for file, _ in found.files)


@dataclass
class _Found:
    files: list[tuple[Path, Path]]  # a file, and the folder of its result relative to the output
    ignored: int = 0
    subfolders: int = 0


def _existing(inputs: Iterable[Path]) -> list[Path]:
    inputs = list(inputs)
    missing = [str(path) for path in inputs if not path.exists()]
    if missing:
        raise UsageError(f"no such file or folder: {', '.join(missing)}")
    return inputs


def _none_found(inputs: Iterable[Path], found: _Found, recursive: bool) -> UsageError:
    hint = " (--recursive enters subfolders)" if found.subfolders and not recursive else ""
    return UsageError(f"no pictures found in {', '.join(map(str, inputs))}{hint}")


def _find(inputs: list[Path], output: Path | None, suffixes: Collection[str], recursive: bool) -> _Found:
    found = _Found([])
    for given in inputs:
        if given.is_file():
            found.files.append((given, Path()))
            continue
        for folder, names, folders in _walk(given, output, recursive):
            found.subfolders += folders
            for name in names:
                path = folder / name
                if path.suffix.lower() in suffixes and not name.startswith(".") and path.is_file():
                    found.files.append((path, folder.relative_to(given)))
                elif not is_part(path):
                    found.ignored += 1
    # The same file given twice, by itself and in its folder, is one job.
    first: dict[Path, tuple[Path, Path]] = {}
    for entry in found.files:
        first.setdefault(entry[0].absolute(), entry)
    found.files = list(first.values())
    return found


def _walk(top: Path, output: Path | None, recursive: bool) -> Iterator[tuple[Path, list[str], int]]:
    """Folder, sorted file names, number of skipped subfolders; never the output folder, nor links to folders."""
    results = None if output is None else output.resolve()

    def refuse(error: OSError) -> None:
        raise UsageError(f"{error.filename}: this folder cannot be read: {error.strerror}")

    for folder, subfolders, names in os.walk(top, onerror=refuse):
        here = Path(folder)
        subfolders[:] = sorted(
            name for name in subfolders if not name.startswith(".") and (here / name).resolve() != results
        )
        left_out = 0
        if not recursive:
            left_out = len(subfolders)
            subfolders.clear()
        yield here, sorted(names), left_out


def _without_results(
    files: list[tuple[Path, Path]], output: Path, result_name: Callable[[Path], str]
) -> list[tuple[Path, Path]]:
    """Drop files that are results of others: on a rerun a folder can hold its own results."""
    results = {
        (output / folder / result_name(file)).absolute() for file, folder in files if result_name(file) != file.name
    }
    beside = next((file for file, _ in files if file.with_name(result_name(file)).absolute() in results), None)
    if beside is not None and Path(result_name(beside)).stem == beside.stem:
        raise UsageError(
            f"{beside.parent}: results beside their sources would be taken for sources; "
            "choose another output folder, or a --suffix"
        )
    return [(file, folder) for file, folder in files if file.absolute() not in results]


def _name_results(files: list[tuple[Path, Path]], output: Path, result_name: Callable[[Path], str]) -> list[Job]:
    wanted = [output / folder / result_name(file) for file, folder in files]
    # Compared without case: the results may go to a file system that does not tell A.png from a.png.
    crowded = {key for key, count in Counter(str(path).casefold() for path in wanted).items() if count > 1}
    jobs: list[Job] = []
    taken: dict[str, Path] = {}
    for (file, _), target in zip(files, wanted, strict=True):
        name = target
        if str(target).casefold() in crowded and file.suffix.lower() != target.suffix.lower():
            name = target.with_name(f"{target.stem}{file.suffix}{target.suffix}")
        number = 2
        free = name
        while str(free).casefold() in taken:
            other = taken[str(free).casefold()]
            if other.parent != file.parent:
                # Numbers would depend on the order of the inputs, and a rerun with others would skip the wrong one.
                raise UsageError(
                    f"{other} and {file} would both become {free}; run them into different folders, or give a folder "
                    "above both with --recursive"
                )
            free = name.with_name(f"{name.stem}-{number}{name.suffix}")
            number += 1
        taken[str(free).casefold()] = file
        jobs.append(Job(file, free))
    return jobs


def _check_overwriting(jobs: list[Job]) -> None:
    sources = {os.path.realpath(job.source): job.source for job in jobs}
    for job in jobs:
        source = sources.get(os.path.realpath(job.target))
        if source is not None:
            raise UsageError(
                f"{job.target}: the result would replace the source {source}; "
                "choose another output folder, or a --suffix"
            )
