"""Degradation: what happens to photos between the lens and the web, drawn from recipes, reproducible."""

from aimanga.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
