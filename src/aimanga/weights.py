"""Weight files: where they lie, and whether they are what the catalogue says."""

import hashlib
from importlib import util
from pathlib import Path

from aimanga.errors import ModelError


def packaged(package: str, resource: str, *, distribution: str, sha256: str) -> Path:
    """Find a file that an installed data package carries, and verify it.

    Args:
        package: The import name of the data package. It is located, never imported: no code of it runs.
        resource: The file's path inside the package, with forward slashes.
        distribution: What to `pip install` where the package is missing.
        sha256: The expected SHA-256 of the file, in hexadecimal.

    Returns:
        The path of the file.

    Raises:
        ModelError: The package or the file is missing, or the file is damaged.
    """
    spec = util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(f"{resource}: its package is not installed; install it with: pip install {distribution}")
    path = Path(spec.submodule_search_locations[0], *resource.split("/"))
    verify(path, sha256, remedy=f"pip install --force-reinstall --no-deps {distribution}")
    return path


def verify(path: Path, sha256: str, *, remedy: str) -> None:
    """Check a file against its SHA-256.

    Args:
        path: The file.
        sha256: The expected digest, in hexadecimal.
        remedy: A command that brings the right file, for the error message.

    Raises:
        ModelError: The file is missing or its digest differs.
    """
    if not path.is_file():
        raise ModelError(f"{path}: this weight file is missing; bring it with: {remedy}")
    found = sha256_of(path)
    if found != sha256:
        raise ModelError(
            f"{path}: this weight file is damaged or another one: its SHA-256 is {found}, expected {sha256}; "
            f"bring the right one with: {remedy}"
        )


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
