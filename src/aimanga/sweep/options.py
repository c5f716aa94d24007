"""Options of `aimanga models sweep`."""

from typing import Annotated

from pydantic import Field

from aimanga.config import Config
from aimanga.options import Device, Flag, Jobs, Precision


class SweepOptions(Config):
    """How mixtures are compared."""

    steps: Annotated[int, Field(ge=2, le=101)] = 5
    """Number of mixtures, both ends among them."""
    metrics: Annotated[tuple[str, ...], Flag("-m")] = ("psnr", "niqe", "brisque")
    """Names with commas between them; `aimanga metrics` lists them. FR metrics are left out without ground truth."""
    device: Device = "auto"
    precision: Precision = "auto"
    jobs: Annotated[Jobs, Field(description="Number of processes for the scores.")] = 1
