"""Values of a batch, one line of JSON for each source; an interrupted batch resumes from it."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from aimanga.atomic import locked, replacing
from aimanga.errors import UsageError

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
"""Values that a journal can hold; tuples come back as lists."""

# How the lines begin.
_START = b'{"source": '


@dataclass(frozen=True, slots=True)
class _Line:
    key: str
    offset: int
    size: int


class Journal:
    """Values of sources, each appended as soon as it is known; opened by `journal`.

    Only the sources, their keys and file offsets are in memory: the values may be large. A source is the
    same under whichever relative path; of several lines the last one counts.

    Attributes:
        path: The file. Numbers may be infinite or NaN, as Python writes them, so not every program reads it.
    """

    def __init__(self, path: Path, file: FileIO, lines: dict[str, _Line]) -> None:
        self.path = path
        self._file = file
        self._lines = lines

    def holds(self, source: Path, key: str) -> bool:
        """Whether there are values of a source under this key."""
        line = self._lines.get(_name(source))
        return line is not None and line.key == key

    def key(self, source: Path) -> str:
        """The key of the values of a source.

        Raises:
            KeyError: There are none.
        """
        return self._lines[_name(source)].key

    def values(self, source: Path) -> Mapping[str, Any]:
        """The values of a source, whatever their key, read from the file.

        Raises:
            KeyError: There are none.
        """
        line = self._lines[_name(source)]
        self._file.seek(line.offset)
        values: dict[str, Any] = json.loads(self._file.read(line.size))["values"]
        return values

    def append(self, source: Path, key: str, values: Mapping[str, Json]) -> None:
        """Append values.

        Raises:
            OSError: The disk is full, say; earlier values are kept.
            TypeError: A value is not JSON.
        """
        name = _name(source)
        # In ASCII: a file name that is not valid Unicode has lone surrogates, and they come back as they were.
        line = (json.dumps({"source": name, "key": key, "values": dict(values)}) + "\n").encode("ascii")
        offset = self._file.seek(0, os.SEEK_END)
        try:
            written = 0
            while written < len(line):
                written += self._file.write(line[written:])
        except BaseException as error:
            self._file.truncate(offset)  # a line without its end would spoil the next one
            if isinstance(error, OSError):  # those of writing do not name the file
                raise OSError(error.errno, error.strerror, str(self.path)) from error
            raise
        self._lines[name] = _Line(key, offset, len(line))


@contextmanager
def journal(path: Path | None) -> Iterator[Journal]:
    """Open or create a journal, for one run at a time.

    A partial last line of a killed run is cut off, damaged lines are ignored, and a file of which most lines are
    superseded is rewritten.

    Args:
        path: The file; its folder must exist. None for a temporary one.

    Raises:
        UsageError: Another run has it open, or it is not a journal.
        OSError: It cannot be read or written.
    """
    with ExitStack() as stack:
        if path is None:
            path = Path(stack.enter_context(TemporaryDirectory(prefix="aimanga-"))) / "journal"
        _lock(path, stack)
        lines, count = _index(path)
        if 2 * len(lines) < count:
            # What is not saved is only space. Windows replaces no open file, and here the lock is one.
            with suppress(PermissionError):
                _rewrite(path, lines)
                _lock(path, stack)
                lines, _ = _index(path)
        # Unbuffered: what has been appended is out of this process, and what could not be is in no buffer.
        file = stack.enter_context(path.open("r+b", buffering=0))
        yield Journal(path, file, lines)


def _name(source: Path) -> str:
    return str(source.absolute())


def _lock(path: Path, stack: ExitStack) -> None:
    if not stack.enter_context(locked(path)):
        raise UsageError(f"{path}: another run is writing this; wait until it ends")


def _index(path: Path) -> tuple[dict[str, _Line], int]:
    """The last line of each source, and how many lines there are; cuts off a last one without its end."""
    lines: dict[str, _Line] = {}
    count = end = 0
    with path.open("r+b") as file:
        ours = _START.startswith(file.read(len(_START)))
        file.seek(0)
        for line in file:
            if not line.endswith(b"\n"):
                break
            with suppress(ValueError, KeyError, TypeError):  # a damaged line
                source, key, _ = itemgetter("source", "key", "values")(json.loads(line))
                lines[source] = _Line(key, end, len(line))
            end += len(line)
            count += 1
        if not (ours or lines):
            raise UsageError(f"{path}: this is not a journal of aimanga; move it away")
        file.truncate(end)
    return lines, count


def _rewrite(path: Path, lines: Mapping[str, _Line]) -> None:
    with path.open("rb") as old, replacing(path) as part, part.open("wb") as new:
        for line in lines.values():
            old.seek(line.offset)
            new.write(old.read(line.size))
