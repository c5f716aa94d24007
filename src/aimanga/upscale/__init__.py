"""Upscale pictures and files with a network: `aimanga.upscale(picture)`."""

from aimanga.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
