"""Other programs: started without a shell, watched, ended with all that they have started."""

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
# Seconds that a program may need to end when it is killed.
_PATIENCE = 10


class ProgramError(AimangaError):
    """Another program failed; the message has its last lines."""


def filled(command: Sequence[str], values: Mapping[str, object]) -> list[str]:
    """Put values for the placeholders of a command.

    Other braces stay as they are. What a value has in it is not looked at again: a file may be called `{output}`.
    """
    names = "|".join(map(re.escape, values))
    return [re.sub(rf"\{{({names})\}}", lambda found: str(values[found[1]]), part) for part in command]


def run_program(command: Sequence[str], folder: Path, log: Path, timeout: float | None) -> None:
    """Run a program to its end; `end_left_running` ends it where this process is killed meanwhile.

    Args:
        command: The program and its arguments.
        folder: Where it runs.
        log: The file for all that it says; its folder exists. While it runs its number is beside it, in a `.pid` file.
        timeout: So many seconds may it take; None for any number.

    Raises:
        ProgramError: It cannot be started, takes too long, or ends with another exit code than 0.
    """
    with log.open("wb") as said:
        try:
            process = subprocess.Popen(  # its own group: what it has started ends with it
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise ProgramError(f"{command[0]} cannot be started: {error.strerror}") from error
        note = log.with_suffix(_NOTE)
        try:
            note.write_text(json.dumps([process.pid, _started(process.pid)]))
            code = process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise ProgramError(f"{command[0]} took more than {timeout:g} s; {_last_words(log)}") from error
        finally:
            if process.poll() is None:
                _end(process.pid)
                process.wait()
            note.unlink(missing_ok=True)
    if code:
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        raise ProgramError(f"{command[0]} {how}; {_last_words(log)}")


def end_left_running(logs: Path) -> None:
    """End the programs that a killed process has left running: they would work beside those that are started anew.

    Args:
        logs: The folder of their logs; it may be missing.
    """
    for note in logs.glob(f"*{_NOTE}"):
        with suppress(OSError, ValueError, psutil.Error):
            number, started = json.loads(note.read_text())
            if _started(number) == started:  # numbers are given again
                _end(number)
                psutil.Process(number).wait(_PATIENCE)
        note.unlink(missing_ok=True)


def _started(number: int) -> float | None:
    """When a process was started; None where it has come to its end."""
    try:
        return psutil.Process(number).create_time()
    except psutil.Error:
        return None


def _end(number: int) -> None:
    """End a program, with what it has started."""
    if sys.platform == "win32":
        with suppress(psutil.Error):
            for member in [*psutil.Process(number).children(recursive=True), psutil.Process(number)]:
                member.kill()
    else:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(number, signal.SIGKILL)


def _last_words(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_BYTES))
        text = file.read().decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return "it said nothing"
    return f"it said last: {' | '.join(lines[-_LAST_LINES:])} (all of it: {log})"
