"""Write pictures atomically, with their colour space and metadata."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyvips

from aimanga.atomic import replacing
from aimanga.errors import PictureError, UsageError
from aimanga.images.formats import Format, format_of
from aimanga.images.picture import Header, Metadata, Picture, Samples
from aimanga.images.pipe import EncoderPipe

# libvips' VipsForeignKeep.
_KEEP_EXIF, _KEEP_XMP, _KEEP_ICC = 1, 2, 8

# 72 dpi, which programs read as unspecified.
_USUAL_DENSITY = (72 / 25.4, 72 / 25.4)

_JPEG_OPTIMISED_PIXELS = 2**24

DEFAULT_QUALITY = 95
"""Default quality of JPEG, WebP and AVIF: high, since upscaled pictures are edited further."""


def write(picture: Picture, path: Path | str, *, quality: int | None = None, strip_metadata: bool = False) -> None:
    """Write a picture; the other arguments, conversions and errors as for `writing`."""
    with writing(picture.header, path, quality=quality, strip_metadata=strip_metadata) as write_rows:
        for rows in picture.bands(256):
            write_rows(rows)


@contextmanager
def writing(
    header: Header, path: Path | str, *, quality: int | None = None, strip_metadata: bool = False
) -> Iterator[Callable[[Samples], None]]:
    """Write a picture row by row, in the format that the path's suffix names; an existing file is replaced.

    The file appears under its name only when it is whole. 16 bits a sample are kept by PNG and TIFF (12 of them
    by AVIF), rounded to 8 by JPEG and WebP. JPEG has no transparency: the picture is composited on white. The ICC
    profile is always written; an untagged picture stays untagged, which means sRGB. TIFF takes XMP, but no EXIF
    (libvips writes none). WebP below quality 100 halves the resolution of colour, as its format demands.

    PNG, JPEG and TIFF are encoded row by row, in little memory; the encoders of WebP and AVIF hold the whole picture.

    Args:
        header: The header of the rows.
        path: The file; its folder must exist.
        quality: 1 to 100 for JPEG, WebP (100 is lossless) and AVIF; None for `DEFAULT_QUALITY`.
        strip_metadata: Drop EXIF and XMP.

    Yields:
        A function that writes the next rows, from top to bottom: h x W x samples of the header's type.

    Raises:
        UsageError: The quality is out of its range.
        PictureError: The format is not known, cannot hold a picture of this size, or the encoder fails.
        OSError: The file cannot be written.
        KeyboardInterrupt: Ctrl-C was pressed; nothing is left behind.
    """
    path = Path(path)
    if quality is not None and not 1 <= quality <= 100:
        raise UsageError(f"quality {quality}: the quality is between 1 and 100")
    form = format_of(path)
    check_size(form, header.width, header.height, path)
    if strip_metadata:
        header = replace(header, metadata=Metadata(pixels_per_mm=header.metadata.pixels_per_mm))
    with replacing(path) as part, part.open("wb") as file:
        target = pyvips.Target.new_to_descriptor(file.fileno())

        def encode(image: pyvips.Image) -> None:
            image = _prepared(image, header, form)
            saver, options = _encoder(form, image, DEFAULT_QUALITY if quality is None else quality)
            # libvips would add an EXIF block of its own.
            metadata = header.metadata
            options["keep"] = _KEEP_ICC | (_KEEP_EXIF if metadata.exif else 0) | (_KEEP_XMP if metadata.xmp else 0)
            image.write_to_target(target, saver, **options)

        pipe = EncoderPipe(header, encode)
        try:
            yield pipe.write
            pipe.finish()
        except BaseException as error:
            pipe.abandon()
            if not isinstance(error, pyvips.Error):
                raise
            reason = str(error).strip().splitlines()[-1]
            raise PictureError(f"{path}: cannot be written: {reason}") from error


def check_size(form: Format, width: int, height: int, path: Path) -> None:
    """Raise `PictureError` where a format cannot hold a picture of this size."""
    if max(width, height) > form.max_side:
        raise PictureError(
            f"{path}: {width} x {height} is too large for {form.name}, which allows {form.max_side} pixels a side; "
            "png and tiff allow more"
        )


def _prepared(image: pyvips.Image, header: Header, form: Format) -> pyvips.Image:
    """The image with its metadata, converted to samples that the format can store."""
    deep = image.format == "ushort"
    gray = header.colours == 1
    metadata = header.metadata
    if header.alpha and not form.alpha:
        image = image.flatten(background=[65535 if deep else 255])
    if deep and not form.deep:
        image = (image / 257).rint().cast("uchar").copy(interpretation="b-w" if gray else "srgb")
    horizontal, vertical = metadata.pixels_per_mm or _USUAL_DENSITY
    image = image.copy(xres=horizontal, yres=vertical)
    for name, blob in (
        ("icc-profile-data", header.icc),
        ("exif-data", metadata.exif),
        ("xmp-data", _upright(metadata.xmp)),
    ):
        if blob:
            image.set_type(pyvips.GValue.blob_type, name, blob)
    image.set_type(pyvips.GValue.gint_type, "orientation", 1)
    if metadata.exif:  # its thumbnail is the old picture in its old orientation
        image.set_type(pyvips.GValue.blob_type, "jpeg-thumbnail-data", b"")
    if gray and header.icc and form.name in ("webp", "avif"):
        # They store gray as RGB, to which a gray profile does not apply.
        image = image.icc_transform("srgb", embedded=True, depth=16 if image.format == "ushort" else 8)
    return image


def _upright(xmp: bytes | None) -> bytes | None:
    """Reset the orientation in an XMP packet, which some programs apply as they do EXIF's."""
    if xmp is None:
        return None
    return re.sub(rb"(tiff:Orientation\s*(?:=\s*[\"']|>\s*))[2-8]", rb"\g<1>1", xmp)


def _encoder(form: Format, image: pyvips.Image, quality: int) -> tuple[str, dict[str, Any]]:
    """The suffix by which libvips chooses its encoder, and the encoder's options."""
    match form.name:
        case "jpg":
            # Colour at full resolution: halving it would undo part of the upscaling.
            # Optimal codes need all coefficients in memory, and save a few percent.
            few = image.width * image.height <= _JPEG_OPTIMISED_PIXELS
            return ".jpg", {"Q": quality, "subsample_mode": "off", "optimize_coding": few}
        case "webp":
            return ".webp", {"Q": quality, "lossless": quality == 100, "smart_subsample": True}
        case "avif":
            depth = 12 if image.format == "ushort" else 8
            return ".avif", {"Q": quality, "effort": 2, "bitdepth": depth, "subsample_mode": "off"}
        case "tiff":
            size = image.width * image.height * image.bands * (2 if image.format == "ushort" else 1)
            return ".tif", {"compression": "lzw", "predictor": "horizontal", "bigtiff": size > 3e9}
        case _:
            return ".png", {"compression": 6}
