"""Options of `aimanga benchmark`."""

from typing import Annotated

from aimanga.config import Config
from aimanga.options import DryRun, Flag, Jobs


class BenchmarkOptions(Config):
    """How a benchmark is run."""

    methods: Annotated[tuple[str, ...], Flag(default="all")] = ()
    """Run only these methods of the recipe; names with commas between them."""
    sets: Annotated[tuple[str, ...], Flag(default="all")] = ()
    """Use only these sets of the recipe, likewise."""
    device: str = "auto"
    """Where metrics run: auto, cpu, cuda, cuda:N or mps. Methods have a device of their own."""
    jobs: Jobs = 1
    dry_run: DryRun = False
