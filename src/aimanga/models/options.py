"""Options of `aimanga export`, `aimanga models blend` and `aimanga models mix`."""

from typing import Annotated, Literal

from pydantic import Field

from aimanga.config import Config
from aimanga.options import Overwrite


class ExportOptions(Config):
    """How a model is exported."""

    preset: Literal["realesrgan", "aimanga"] | None = None
    """First convert to this variant of RRDBNet, without a change of the output: realesrgan is the plain network,
    aimanga has pixel attention and PixelShuffle."""


class BlendOptions(Config):
    """How two models are blended."""

    alpha: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Weight of the second model: 0 is the first one, 1 the second."""


class MixOptions(Config):
    """How a mixture is written."""

    overwrite: Overwrite = False
