"""Compare methods: on test sets, by metrics, with their costs."""

from aimanga.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
