"""Select the pictures that are worth training on: measure, decide, copy or crop, report."""

from aimanga.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
