"""aimanga: real-world image super-resolution.

    import aimanga

    picture = aimanga.read("photo.jpg")
    aimanga.write(aimanga.upscale(picture), "photo-x4.png")

Everything here is imported when it is first used, so `import aimanga` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from aimanga.version import __version__

if TYPE_CHECKING:
    from aimanga import metrics
    from aimanga.batch import Record, Report
    from aimanga.curate import curate_files
    from aimanga.degrade import make_pairs
    from aimanga.errors import AimangaError, ModelError, PictureError, ResourceError, UsageError
    from aimanga.evaluate import score_files
    from aimanga.images import Metadata, Picture, read, write
    from aimanga.models import MODELS, Model, load_model
    from aimanga.models.export import export
    from aimanga.upscale import upscale, upscale_files

_HOMES = {
    "AimangaError": "aimanga.errors",
    "MODELS": "aimanga.models",
    "Metadata": "aimanga.images",
    "Model": "aimanga.models",
    "ModelError": "aimanga.errors",
    "Picture": "aimanga.images",
    "PictureError": "aimanga.errors",
    "Record": "aimanga.batch",
    "Report": "aimanga.batch",
    "ResourceError": "aimanga.errors",
    "UsageError": "aimanga.errors",
    "curate_files": "aimanga.curate",
    "export": "aimanga.models.export",
    "load_model": "aimanga.models",
    "make_pairs": "aimanga.degrade",
    "metrics": "aimanga.metrics",
    "read": "aimanga.images",
    "score_files": "aimanga.evaluate",
    "upscale": "aimanga.upscale",
    "upscale_files": "aimanga.upscale",
    "write": "aimanga.images",
}

__all__ = [
    "MODELS",
    "AimangaError",
    "Metadata",
    "Model",
    "ModelError",
    "Picture",
    "PictureError",
    "Record",
    "Report",
    "ResourceError",
    "UsageError",
    "__version__",
    "curate_files",
    "export",
    "load_model",
    "make_pairs",
    "metrics",
    "read",
    "score_files",
    "upscale",
    "upscale_files",
    "write",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'aimanga' has no attribute {name!r}")
    home = import_module(_HOMES[name])
    # `aimanga.upscale` is a package that can be called; its import has put it here under that name.
    return home if _HOMES[name] == f"aimanga.{name}" else getattr(home, name)


def __dir__() -> list[str]:
    return __all__
