"""Pictures in memory: header, rows and samples."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[Any]


@dataclass(frozen=True)
class Metadata:
    """The metadata of a picture, as they were read.

    Attributes:
        exif: The EXIF block. Its orientation is already applied to the pixels; the tag is reset on writing.
        xmp: The XMP packet.
        pixels_per_mm: Density, horizontal and vertical; None where it is not known.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    pixels_per_mm: tuple[float, float] | None = None


@dataclass(frozen=True)
class Header:
    """Size, channels and colour space of a picture, known before its rows are read.

    Attributes:
        width: Width in pixels, right side up.
        height: Height in pixels, right side up.
        colours: Channels without alpha: 1 (gray) or 3 (RGB).
        alpha: Whether an alpha channel follows them.
        bits: 8 or 16 a sample.
        icc: The ICC profile of the colours; None for sRGB.
        metadata: EXIF, XMP and density.
    """

    width: int
    height: int
    colours: int
    alpha: bool
    bits: int
    icc: bytes | None = None
    metadata: Metadata = field(default_factory=Metadata)

    @property
    def samples(self) -> int:
        """Samples a pixel, with alpha."""
        return self.colours + self.alpha

    @property
    def dtype(self) -> npt.DTypeLike:
        """The numpy type of a sample."""
        return np.uint8 if self.bits == 8 else np.uint16


class RowSource(Protocol):
    """A picture that can be read from top to bottom, repeatedly: in memory or in a file."""

    @property
    def header(self) -> Header:
        """Its header."""
        ...

    def bands(self, height: int) -> Iterator[Samples]:
        """Its rows from top to bottom: h x W x samples, h = `height`, less at the end; alpha comes last."""
        ...


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture: samples, transparency, colour space and metadata.

    Attributes:
        pixels: H x W x C, uint8 or uint16; C is 1 (gray) or 3 (RGB). The values are those of the colour space
            that `icc` describes; sRGB where it is None. Right side up.
        alpha: H x W of the same type, 0 is transparent; None where everything is opaque. The colours are not
            multiplied by it.
        icc: The ICC profile of the pixels.
        metadata: EXIF, XMP and density.

    Raises:
        ValueError: The shapes or types do not fit together.
    """

    pixels: Samples
    alpha: Samples | None = None
    icc: bytes | None = None
    metadata: Metadata = field(default_factory=Metadata)

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if len(shape) != 3 or shape[2] not in (1, 3) or 0 in shape:
            raise ValueError(f"pixels are H x W x 1 or H x W x 3, not {shape}; see Picture.from_array")
        if self.pixels.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"pixels are uint8 or uint16, not {self.pixels.dtype}")
        if self.alpha is not None and (self.alpha.shape != shape[:2] or self.alpha.dtype != self.pixels.dtype):
            raise ValueError(
                f"alpha is {self.alpha.shape} {self.alpha.dtype}, the pixels are {shape} {self.pixels.dtype}"
            )

    @classmethod
    def from_array(cls, array: Samples, icc: bytes | None = None) -> "Picture":
        """Make a picture from an array as other libraries have it.

        Args:
            array: H x W (gray), or H x W x C with C = 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGB and alpha);
                uint8 or uint16.
            icc: The ICC profile of the values; None for sRGB.

        Returns:
            A picture that shares the array's memory.

        Raises:
            ValueError: The array has another shape or type.
        """
        if array.ndim == 2:
            array = array[:, :, None]
        if array.ndim == 3 and array.shape[2] in (2, 4):
            return cls(array[:, :, :-1], array[:, :, -1], icc)
        return cls(array, None, icc)

    def to_array(self) -> Samples:
        """All samples in one array: H x W x C, with alpha as the last channel where there is one."""
        return self.pixels if self.alpha is None else np.dstack((self.pixels, self.alpha))

    @property
    def header(self) -> Header:
        """Its header."""
        bits = 8 * self.pixels.dtype.itemsize
        colours = self.pixels.shape[2]
        return Header(self.width, self.height, colours, self.alpha is not None, bits, self.icc, self.metadata)

    def bands(self, height: int) -> Iterator[Samples]:
        """Its rows from top to bottom: h x W x samples, h = `height`, less at the end; alpha comes last."""
        for top in range(0, self.height, height):
            rows = slice(top, top + height)
            colours = self.pixels[rows]
            yield colours if self.alpha is None else np.dstack((colours, self.alpha[rows]))

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])


class Canvas:
    """Collects rows, from top to bottom, into a picture.

    Args:
        header: The header of the rows.
    """

    def __init__(self, header: Header) -> None:
        self._header = header
        self._samples = np.empty((header.height, header.width, header.samples), header.dtype)
        self._filled = 0

    def write(self, rows: Samples) -> None:
        """Add the next rows: h x W x samples of the header's type, alpha last."""
        self._samples[self._filled : self._filled + len(rows)] = rows
        self._filled += len(rows)

    def picture(self) -> Picture:
        """The picture.

        Raises:
            ValueError: Rows are missing.
        """
        header = self._header
        if self._filled != header.height:
            raise ValueError(f"{self._filled} of {header.height} rows were written")
        alpha = self._samples[:, :, -1] if header.alpha else None
        return Picture(self._samples[:, :, : header.colours], alpha, header.icc, header.metadata)
