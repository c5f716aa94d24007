"""Train a network on your own photos: `aimanga.train("aimanga", "runs/mine", data=["curated"])`."""

from aimanga.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
