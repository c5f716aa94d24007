"""Sweep along a line of mixtures of networks: scores, curves and crops, to choose a point."""

from aimanga.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
