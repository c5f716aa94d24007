"""What made a checkpoint: versions of programs, and the commit of this one where it runs from its repository."""

import subprocess
from functools import lru_cache
from pathlib import Path

from aimanga.version import versions as versions_of

_PROGRAMS = ("lightning-fabric", "numpy", "safetensors", "torch")


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Versions by the names of the programs; `commit` is that of the repository, where there is one."""
    found = versions_of(*_PROGRAMS)
    commit = _commit(Path(__file__).parent)
    return found if commit is None else found | {"commit": commit}


def _commit(folder: Path) -> str | None:
    """The commit that a folder is of; None where it is in no repository, or not under its control."""
    try:
        tracked = ["git", "-C", str(folder), "ls-files", "--error-unmatch", "origin.py"]
        subprocess.run(tracked, check=True, capture_output=True, timeout=10)
        head = ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
        return subprocess.run(head, check=True, capture_output=True, timeout=10, text=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
