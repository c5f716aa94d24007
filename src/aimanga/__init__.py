"""aimanga: real-world image super-resolution.

    import aimanga

    picture = aimanga.read("photo.jpg")
    aimanga.write(aimanga.upscale(picture), "photo-x4.png")

Everything here is imported when it is first used, so `import aimanga` costs nothing.
"""

from aimanga.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
