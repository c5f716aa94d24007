"""Options of `aimanga train`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from aimanga.config import Config
from aimanga.options import Device, Flag


class TrainOptions(Config):
    """How a recipe is trained; what is trained is said by the recipe."""

    data: Annotated[tuple[Path, ...], Flag(metavar="PATH", repeated=True)] = ()
    """Train on these sources instead of the recipe's; can be repeated."""
    set: Annotated[tuple[str, ...], Flag(metavar="KEY=VALUE", repeated=True)] = ()
    """Set a value of the recipe: train.lr=2e-4; can be repeated."""
    resume: bool = False
    """Resume from the last state in the output folder; start if there is none."""
    device: Device = "auto"
    jobs: Annotated[int | None, Field(ge=1), Flag("-j", default="all cores; 1 from Python")] = None
    """Number of processes that check the pictures."""
