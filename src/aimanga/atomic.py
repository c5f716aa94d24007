"""Files that are either whole or absent, even after a crash or a `kill -9`."""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SUFFIX = ".aimanga-part"


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary file beside `target`; rename it to `target` when the block ends without an error.

    The temporary file stays locked while its writer lives, so `remove_remains` can tell what a killed
    process left behind from what another process is writing. The bytes are flushed to the disk before
    the renaming: a power cut leaves no empty file under the final name.

    Args:
        target: The file to make or replace; its folder must exist.

    Yields:
        The path of an empty file in the same folder, to be written to (not to be replaced).
    """
    # A long name leaves no room for the suffix on file systems that allow 255 bytes a name.
    stem = os.fsdecode(os.fsencode(target.name)[:180])
    while True:
        part = target.with_name(f".{stem}.{secrets.token_hex(4)}{_SUFFIX}")
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        # Between these two calls another process may have found the file without a lock, and removed it.
        if _try_lock(descriptor) and part.exists():
            break
        os.close(descriptor)
    try:
        yield part
        os.fsync(descriptor)
        if sys.platform == "win32":
            os.close(descriptor)  # Windows renames no open file
        part.replace(target)
    finally:
        if sys.platform != "win32":
            os.close(descriptor)
        part.unlink(missing_ok=True)


def remove_remains(folder: Path) -> int:
    """Remove the temporary files that killed processes left in `folder`; return how many there were."""
    removed = 0
    for path in folder.glob(f".*{_SUFFIX}"):
        # Errors: it is already gone, or not ours to remove.
        with suppress(OSError), path.open("rb") as file:
            if _try_lock(file.fileno()):
                path.unlink()  # while it is locked, so that no writer takes it for its own
                removed += 1
    return removed


@contextmanager
def locked(file: Path) -> Iterator[bool]:
    """Lock a file while the block runs; it is created if missing, and unlocked when the process ends.

    Args:
        file: The file; its folder must exist.

    Yields:
        Whether the lock was free; False while another process, or another block, holds it.
    """
    with file.open("ab") as opened:
        yield _try_lock(opened.fileno())


def is_part(path: Path) -> bool:
    """Whether `path` is named like a temporary file of `replacing`."""
    return path.name.startswith(".") and path.name.endswith(_SUFFIX)


def _try_lock(descriptor: int) -> bool:
    """Try to lock an open file for this process; return whether that worked."""
    if sys.platform == "win32":
        return True  # an open file cannot be removed there, which protects it as well
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
