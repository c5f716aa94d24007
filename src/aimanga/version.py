"""The version of aimanga, and those of the programs that it runs on."""

from importlib.metadata import version

__version__ = "0.1.0"


def versions(*programs: str) -> dict[str, str]:
    """The version of aimanga, then those of other installed programs, by name: `versions("torch")`."""
    return {"aimanga": __version__} | {name: version(name) for name in programs}
