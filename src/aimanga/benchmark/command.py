"""Run other programs: without a shell, with a timeout, and killed together with their children."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from aimanga.errors import AimangaError

_LAST_LINES = 8
_LAST_BYTES = 8192
_NOTE = ".pid"
# Seconds to wait for a killed program.
_PATIENCE = 10


class ProgramError(AimangaError):
    """Another program failed; the message ends with its last lines of output."""


def filled(command: Sequence[str], values: Mapping[str, object]) -> list[str]:
    """Replace the placeholders of a command by values.

    Other braces stay. Values are not searched for placeholders: a file may be called `{output}`.
    """
    names = "|".join(map(re.escape, values))
    return [re.sub(rf"\{{({names})\}}", lambda found: str(values[found[1]]), part) for part in command]


def run_program(command: Sequence[str], folder: Path, log: Path, timeout: float | None) -> None:
    """Run a program and wait for it. If this process is killed meanwhile, `kill_orphans` kills the program.

    Args:
        command: The program and its arguments.
        folder: Its working directory.
        log: The file for its output; the folder exists. While it runs, a `.pid` file beside the log holds its process
            id.
        timeout: In seconds; None for no limit.

    Raises:
        ProgramError: It cannot be started, takes too long, or exits with another code than 0.
    """
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(  # a process group of its own, which can be killed with its children
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise ProgramError(f"{command[0]} cannot be started: {error.strerror}") from error
        note = log.with_suffix(_NOTE)
        try:
            note.write_text(json.dumps([process.pid, _started(process.pid)]))
            code = process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise ProgramError(f"{command[0]} took more than {timeout:g} s; {_last_lines(log)}") from error
        finally:
            if process.poll() is None:
                _kill(process.pid)
                process.wait()
            note.unlink(missing_ok=True)
    if code:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"
        raise ProgramError(f"{command[0]} {how}; {_last_lines(log)}")


def kill_orphans(logs: Path) -> None:
    """Kill programs that a killed process has left running.

    Args:
        logs: The folder of their logs; it may be missing.
    """
    for note in logs.glob(f"*{_NOTE}"):
        with suppress(OSError, ValueError, psutil.Error):
            number, started = json.loads(note.read_text())
            if _started(number) == started:  # process ids are reused
                _kill(number)
                psutil.Process(number).wait(_PATIENCE)
        note.unlink(missing_ok=True)


def _started(number: int) -> float | None:
    """When a process was started; None if it has ended."""
    try:
        return psutil.Process(number).create_time()
    except psutil.Error:
        return None


def _kill(number: int) -> None:
    """Kill a program and its children."""
    if sys.platform == "win32":
        with suppress(psutil.Error):
            for member in [*psutil.Process(number).children(recursive=True), psutil.Process(number)]:
                member.kill()
    else:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(number, signal.SIGKILL)


def _last_lines(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_BYTES))
        text = file.read().decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return "no output"
    return f"last output: {' | '.join(lines[-_LAST_LINES:])} (see {log})"
