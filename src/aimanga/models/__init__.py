"""Networks, their weights, and the catalogue of models."""

from aimanga.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
