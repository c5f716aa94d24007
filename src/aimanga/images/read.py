"""Read pictures: any common format, right side up, in the right colours."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyvips
from PIL.BmpImagePlugin import BmpImageFile

from aimanga.errors import PictureError
from aimanga.images.colour import to_working_space
from aimanga.images.picture import Canvas, Header, Metadata, Picture, Samples
from aimanga.options import MAX_PIXELS

# Modes that Pillow keeps for bitmaps; all others become RGB.
_BITMAP_MODES = {"1": "L", "L": "L", "RGBA": "RGBA"}


class PictureFile:
    """A picture file whose rows can be read from top to bottom, repeatedly.

    PNG, JPEG, WebP, TIFF, GIF, AVIF and BMP, recognized by content; HEIC where libvips has a decoder for it. The EXIF
    orientation is applied. Palettes and single bits become 8-bit samples, 10 and 12 bits become 16. RGB and gray keep
    their colour space and its profile; CMYK and scene-linear colours become sRGB.

    Each reading decodes the file again, row by row, in little memory. Exceptions are interlaced PNG, progressive JPEG,
    WebP, GIF, AVIF and BMP, whose decoders hold the whole picture, and rotated orientations.

    Args:
        path: The file; any name that the file system allows.
        max_pixels: Refuse a picture with more pixels.
        first_page: Read the first page of animations and multi-page files, instead of refusing them.

    Raises:
        PictureError: The file is no picture, is too large, has several pages, or samples that are not integers.
        OSError: The file cannot be opened.
    """

    def __init__(self, path: Path | str, *, max_pixels: int = MAX_PIXELS, first_page: bool = False) -> None:
        self.path = Path(path)
        self._max_pixels = max_pixels
        with _opened(self.path, max_pixels) as image:
            _check(image, self.path, first_page)
            _check_size(image.width, image.height, self.path, max_pixels)
            self._header = _header(image, self.path)

    @property
    def header(self) -> Header:
        """What its rows are."""
        return self._header

    def bands(self, height: int) -> Iterator[Samples]:
        """Decode the rows from top to bottom: h x W x samples, h = `height`, less at the end; alpha comes last.

        Raises:
            PictureError: The file is damaged, or has changed.
        """
        header = self._header
        with _opened(self.path, self._max_pixels) as encoded:
            image = _decoded(encoded, self.path)
            if (image.width, image.height, image.bands) != (header.width, header.height, header.samples):
                raise PictureError(f"{self.path}: changed while it was read")
            region = pyvips.Region.new(image)
            for top in range(0, header.height, height):
                rows = min(height, header.height - top)
                data = np.frombuffer(region.fetch(0, top, header.width, rows), dtype=header.dtype)
                yield data.reshape(rows, header.width, header.samples)


def read(path: Path | str, *, max_pixels: int = MAX_PIXELS, first_page: bool = False) -> Picture:
    """Read a whole picture; arguments, conversions and errors as for `PictureFile`.

    Returns:
        The picture, decoded.
    """
    file = PictureFile(path, max_pixels=max_pixels, first_page=first_page)
    canvas = Canvas(file.header)
    for rows in file.bands(256):
        canvas.write(rows)
    return canvas.picture()


@contextmanager
def _opened(path: Path, max_pixels: int) -> Iterator[pyvips.Image]:
    # Through a descriptor: libvips would parse brackets in a name as options, and Python's errors say better why a
    # file cannot be opened.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        if os.fstat(descriptor).st_size == 0:
            raise PictureError(f"{path}: the file is empty")
        if os.read(descriptor, 2) == b"BM":
            yield _bitmap(path, max_pixels)
            return
        os.lseek(descriptor, 0, os.SEEK_SET)
        source = pyvips.Source.new_from_descriptor(descriptor)
        yield pyvips.Image.new_from_source(source, "", access="sequential", fail_on="error")
    except pyvips.Error as error:
        raise PictureError(f"{path}: cannot be read as a picture: {_reason(error)}") from error
    finally:
        os.close(descriptor)


def _bitmap(path: Path, max_pixels: int) -> pyvips.Image:
    """A Windows bitmap, which libvips does not read: by Pillow, all at once."""
    try:
        with path.open("rb") as file, BmpImageFile(file) as bitmap:
            _check_size(*bitmap.size, path, max_pixels)
            return pyvips.Image.new_from_array(np.asarray(bitmap.convert(_BITMAP_MODES.get(bitmap.mode, "RGB"))))
    except (OSError, SyntaxError, ValueError) as error:
        raise PictureError(f"{path}: cannot be read as a picture: {error}") from error


def _check(image: pyvips.Image, path: Path, first_page: bool) -> None:
    pages = _field(image, "n-pages", 1)
    if not first_page and (pages > 1 or _is_animated_png(path)):
        raise PictureError(
            f"{path}: an animation or a file of several pages{f' ({pages})' if pages > 1 else ''}; "
            "--first-page takes the first one"
        )
    if image.format not in ("uchar", "ushort"):
        raise PictureError(
            f"{path}: samples of type {image.format} are not supported; convert it to 8 or 16 bits a sample"
        )
    colours = {"b-w": 1, "grey16": 1, "cmyk": 4}.get(image.interpretation, 3)
    if image.bands - bool(image.hasalpha()) != colours:
        raise PictureError(f"{path}: {image.bands} channels are neither gray, RGB nor CMYK")


def _check_size(width: int, height: int, path: Path, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise PictureError(
            f"{path}: {width} x {height} is more than {max_pixels} pixels; "
            "if you trust the file, raise the limit with --max-pixels"
        )


def _header(image: pyvips.Image, path: Path) -> Header:
    metadata = Metadata(
        exif=_blob(image, "exif-data"),
        xmp=_blob(image, "xmp-data"),
        pixels_per_mm=_density(image),
    )
    width, height = image.width, image.height
    if _field(image, "orientation", 1) >= 5:
        width, height = height, width
    alpha = bool(image.hasalpha())
    colours, icc = to_working_space(image.extract_band(0, n=image.bands - alpha), path)
    return Header(width, height, colours.bands, alpha, 16 if image.format == "ushort" else 8, icc, metadata)


def _decoded(image: pyvips.Image, path: Path) -> pyvips.Image:
    """The image right side up, in the working space, with its alpha channel last."""
    if _field(image, "orientation", 1) != 1:
        # Rotating needs the rows in another order than the decoder's.
        image = image.copy_memory().autorot()
    if not image.hasalpha():
        return to_working_space(image, path)[0]
    alpha = image[image.bands - 1]
    colours, _ = to_working_space(image.extract_band(0, n=image.bands - 1), path)
    return colours.bandjoin(alpha.cast(colours.format))


def _density(image: pyvips.Image) -> tuple[float, float] | None:
    """Pixels per millimetre, horizontal and vertical, right side up; None where it is libvips' default of 1."""
    density = (image.xres, image.yres)
    if _field(image, "orientation", 1) >= 5:
        density = density[::-1]
    return None if density == (1.0, 1.0) else density


def _field(image: pyvips.Image, name: str, default: int) -> int:
    return int(image.get(name)) if image.get_typeof(name) else default


def _blob(image: pyvips.Image, name: str) -> bytes | None:
    return bytes(image.get(name)) if image.get_typeof(name) else None


def _is_animated_png(path: Path) -> bool:
    """Whether a PNG file announces an animation (`acTL`), which libvips ignores."""
    with path.open("rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            return False
        while len(head := file.read(8)) == 8:
            kind = head[4:]
            if kind in (b"acTL", b"IDAT"):
                return kind == b"acTL"
            file.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)
    return False


def _reason(error: Exception) -> str:
    """The last line of libvips' message, which is the cause; the lines before it repeat the operation."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else "unknown error"
