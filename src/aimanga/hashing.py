"""Digests of files, keys of what was computed from them, and seeds."""

import hashlib
from pathlib import Path

from aimanga.version import __version__


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_key(path: Path, *others: object) -> str:
    """A key for values computed from a file: other content gives another key, and so does another version of aimanga.

    Args:
        path: The file; its size and modification time stand for its content.
        others: What else the values depend on, told apart by `repr`.

    Raises:
        OSError: The file cannot be found.
    """
    state = path.stat()
    parts = (__version__, state.st_size, state.st_mtime_ns, *others)
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogateescape")).hexdigest()


def seed_of(seed: int, name: str, purpose: str) -> int:
    """Derive an independent 63-bit seed for each thing that is drawn."""
    text = f"{seed}/{purpose}/{name}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1  # a torch.Generator takes 63 bits
