"""Read pictures: any common format, right side up, in the colours that were meant."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyvips

from aimanga.errors import PictureError
from aimanga.images.colour import to_working_space
from aimanga.images.picture import Metadata, Picture, Samples

MAX_PIXELS = 2**28
"""A picture of more pixels (16384 x 16384) is refused: a small file can announce a picture that fills the memory."""


@dataclass(frozen=True)
class Header:
    """What can be known of a picture without decoding it.

    Attributes:
        width: Width in pixels, right side up.
        height: Height in pixels, right side up.
        samples: Samples a pixel that the decoded picture has, with alpha.
        bits: 8 or 16, as the decoded picture has them.
        alpha: Whether it has an alpha channel.
    """

    width: int
    height: int
    samples: int
    bits: int
    alpha: bool


def read(path: Path | str, *, max_pixels: int = MAX_PIXELS, first_page: bool = False) -> Picture:
    """Read a picture.

    PNG, JPEG, WebP, TIFF, GIF and AVIF, told by their content; HEIC where libvips has a decoder for it. The EXIF
    orientation is applied. Palettes and single bits become 8-bit samples, 10 and 12 bits become 16. RGB and gray keep
    their colour space and its profile; CMYK and scene-linear colours become sRGB.

    Args:
        path: The file; any name that the file system allows.
        max_pixels: Refuse a picture of more pixels.
        first_page: Of an animation or a file of several pages take the first one, instead of refusing it.

    Returns:
        The picture, decoded.

    Raises:
        PictureError: The file is not a whole picture, is too large, has several pages, or samples that are
            not integers.
        OSError: The file cannot be opened.
    """
    path = Path(path)
    with _opened(path) as image:
        _check(image, path, max_pixels, first_page)
        return _decode(image, path)


def read_header(path: Path | str, *, max_pixels: int = MAX_PIXELS, first_page: bool = False) -> Header:
    """Read what a picture's header says, without decoding the picture; arguments and errors as for `read`."""
    path = Path(path)
    with _opened(path) as image:
        _check(image, path, max_pixels, first_page)
        width, height = image.width, image.height
        if _field(image, "orientation", 1) >= 5:
            width, height = height, width
        alpha = bool(image.hasalpha())
        colours = 1 if image.bands - alpha == 1 else 3
        return Header(width, height, colours + alpha, 16 if image.format == "ushort" else 8, alpha)


@contextmanager
def _opened(path: Path) -> Iterator[pyvips.Image]:
    # Through a descriptor: libvips would take brackets in a name for options, and Python says better why a
    # file cannot be opened.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        if os.fstat(descriptor).st_size == 0:
            raise PictureError(f"{path}: the file is empty")
        source = pyvips.Source.new_from_descriptor(descriptor)
        yield pyvips.Image.new_from_source(source, "", access="sequential", fail_on="error")
    except pyvips.Error as error:
        raise PictureError(f"{path}: cannot be read as a picture: {_reason(error)}") from error
    finally:
        os.close(descriptor)


def _check(image: pyvips.Image, path: Path, max_pixels: int, first_page: bool) -> None:
    pages = _field(image, "n-pages", 1)
    if not first_page and (pages > 1 or _is_animated_png(path)):
        raise PictureError(
            f"{path}: an animation or a file of several pages{f' ({pages})' if pages > 1 else ''}; "
            "--first-page takes the first one"
        )
    if image.width * image.height > max_pixels:
        raise PictureError(
            f"{path}: {image.width} x {image.height} is more than {max_pixels} pixels; "
            "if you trust the file, raise the limit with --max-pixels"
        )
    if image.format not in ("uchar", "ushort"):
        raise PictureError(
            f"{path}: samples of type {image.format} are not supported; convert it to 8 or 16 bits a sample"
        )
    colours = {"b-w": 1, "grey16": 1, "cmyk": 4}.get(image.interpretation, 3)
    if image.bands - bool(image.hasalpha()) != colours:
        raise PictureError(f"{path}: {image.bands} channels are neither gray, RGB nor CMYK")


def _decode(image: pyvips.Image, path: Path) -> Picture:
    metadata = Metadata(
        exif=_blob(image, "exif-data"),
        xmp=_blob(image, "xmp-data"),
        pixels_per_mm=_density(image),
    )
    if _field(image, "orientation", 1) != 1:
        # Turning needs the rows in another order than the decoder gives them.
        image = image.copy_memory().autorot()
    alpha = None
    if image.hasalpha():
        alpha = image[image.bands - 1]
        image = image.extract_band(0, n=image.bands - 1)
    image, icc = to_working_space(image, path)
    if alpha is None:
        return Picture(_samples(image), None, icc, metadata)
    # One pass over the file for both: a sequential decoder cannot be read twice.
    samples = _samples(image.bandjoin(alpha.cast(image.format)))
    return Picture(samples[:, :, :-1], samples[:, :, -1], icc, metadata)


def _samples(image: pyvips.Image) -> Samples:
    kind = np.uint8 if image.format == "uchar" else np.uint16
    data = np.frombuffer(image.write_to_memory(), dtype=kind)
    return data.reshape(image.height, image.width, image.bands)


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
    """Whether a PNG file announces an animation (`acTL`), which libvips would pass over in silence."""
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
