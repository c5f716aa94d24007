"""A placeholder until the page is there."""

from pathlib import Path


def write_report(folder: Path) -> Path:
    """Write the page."""
    return folder / "report.html"
