"""A part of a picture."""

from dataclasses import dataclass

from aimanga.images.picture import Samples


@dataclass(frozen=True)
class Box:
    """A part of a picture, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def of(self, pixels: Samples) -> Samples:
        """This part of H x W x C samples."""
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]

    def times(self, factor: int) -> "Box":
        """The same part of a picture that is `factor` times as large."""
        return Box(self.left * factor, self.top * factor, self.width * factor, self.height * factor)

    def divided(self, factor: int) -> "Box":
        """The same part of a picture that is `factor` times smaller, rounded down."""
        return Box(self.left // factor, self.top // factor, self.width // factor, self.height // factor)
