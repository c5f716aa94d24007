"""Score pictures, compare methods, build and read test sets."""

from aimanga.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
