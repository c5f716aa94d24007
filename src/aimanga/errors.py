"""The errors that aimanga raises on bad input.

Each message says what is wrong, where, and what to do about it. Programming errors keep Python's own
exceptions; everything a user can cause is one of these.
"""


class AimangaError(Exception):
    """Base of all errors that a user's input or machine can cause."""


class UsageError(AimangaError):
    """The request contradicts itself or names something that does not exist; nothing was done."""


class PictureError(AimangaError):
    """A picture cannot be read, is of an unsupported kind, or cannot be written in the wanted format."""


class ModelError(AimangaError):
    """A model's weights are missing, damaged, or of a network that is not known."""


class DivergedError(AimangaError):
    """A training diverged: a loss or a gradient is not finite, or the L1 loss exploded."""


class ResourceError(AimangaError):
    """The machine has too little memory or disk for the work; said before the work begins."""
