"""Options of `aimanga export` and `aimanga models mix`."""

from typing import Literal

from aimanga.config import Config
from aimanga.options import Overwrite


class ExportOptions(Config):
    """How a model is exported."""

    preset: Literal["realesrgan", "aimanga"] | None = None
    """First convert to this variant of RRDBNet, without a change of the output: realesrgan is the plain network,
    aimanga has pixel attention and PixelShuffle."""


class MixOptions(Config):
    """How a mixture is written."""

    overwrite: Overwrite = False
