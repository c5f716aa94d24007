"""Pictures: read, convert and write them, on libvips and without torch."""

from aimanga.images.box import Box
from aimanga.images.formats import FORMATS, READABLE_SUFFIXES, Format, format_named, format_of, output_suffix
from aimanga.images.picture import Canvas, Header, Metadata, Picture, RowSource, Samples
from aimanga.images.read import PictureFile, read
from aimanga.images.rgb import rgb
from aimanga.images.write import DEFAULT_QUALITY, check_size, write, writing

__all__ = [
    "DEFAULT_QUALITY",
    "FORMATS",
    "READABLE_SUFFIXES",
    "Box",
    "Canvas",
    "Format",
    "Header",
    "Metadata",
    "Picture",
    "PictureFile",
    "RowSource",
    "Samples",
    "check_size",
    "format_named",
    "format_of",
    "output_suffix",
    "read",
    "rgb",
    "write",
    "writing",
]
