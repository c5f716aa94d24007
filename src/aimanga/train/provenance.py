"""The versions of the programs that wrote a checkpoint, and the commit of aimanga where it runs from its repository."""

import subprocess
from functools import lru_cache
from pathlib import Path

from aimanga.version import versions


@lru_cache(maxsize=1)
def provenance() -> dict[str, str]:
    """Versions by the names of the programs, and `commit` where aimanga runs from its repository."""
    found = versions("lightning-fabric", "numpy", "safetensors", "torch")
    commit = _commit(Path(__file__))
    return found if commit is None else found | {"commit": commit}


def _commit(file: Path) -> str | None:
    """The commit of a file's repository; None where no repository tracks the file."""
    git = ["git", "-C", str(file.parent)]
    tracked = [*git, "ls-files", "--error-unmatch", file.name]
    head = [*git, "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        subprocess.run(tracked, check=True, capture_output=True, timeout=10)
        return subprocess.run(head, check=True, capture_output=True, timeout=10, text=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
