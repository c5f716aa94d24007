"""Upscale pictures and files with a network.

`aimanga.upscale(picture)` calls this package: a verb is one function, and the function lives in the folder of
the same name.
"""

import sys
from types import ModuleType

from aimanga.upscale.files import UpscaleOptions, UpscalePlan, plan_upscale, run_plan, upscale_file, upscale_files
from aimanga.upscale.image import load_engine, upscale

__all__ = [
    "UpscaleOptions",
    "UpscalePlan",
    "load_engine",
    "plan_upscale",
    "run_plan",
    "upscale",
    "upscale_file",
    "upscale_files",
]


class _Verb(ModuleType):
    __call__ = staticmethod(upscale)


sys.modules[__name__].__class__ = _Verb
__wrapped__ = upscale  # where `inspect.signature` looks
