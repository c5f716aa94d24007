"""Write rows to libvips' encoders while they are computed.

libvips' encoders pull their rows, so these go through a pipe as an uncompressed PNG: of the formats that libvips reads
from a pipe row by row, it is the only one with 8 and 16 bits, gray, colour and alpha. The picture is never whole in
memory, and encoding overlaps with computing.
"""

import os
import struct
import threading
import zlib
from collections.abc import Callable

import numpy as np
import pyvips

from aimanga.images.picture import Header, Samples

# PNG's colour types, by samples a pixel (ISO/IEC 15948, table 11.1).
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


class EncoderPipe:
    """An encoder in a thread of its own, and the pipe that it reads.

    Python handles no signal during a call into libvips; the calling thread stays free to.

    Args:
        header: The header of the rows.
        encode: Writes the image of the rows.
    """

    def __init__(self, header: Header, encode: Callable[[pyvips.Image], None]) -> None:
        self._header = header
        self._rows = 0
        self._image: pyvips.Image | None = None
        self._failure: Exception | None = None
        self._reading, self._writing = os.pipe()
        self._open = True
        self._deflate = zlib.compressobj(0)
        self._thread = threading.Thread(target=self._encode, args=(encode,), daemon=True)
        self._thread.start()
        self._put(b"\x89PNG\r\n\x1a\n")
        colour_type = _COLOUR_TYPES[header.samples]
        size = struct.pack(">IIBBBBB", header.width, header.height, header.bits, colour_type, 0, 0, 0)
        self._put_chunk(b"IHDR", size)

    def write(self, rows: Samples) -> None:
        """Write the next rows: h x W x samples of the header's type.

        Raises:
            ValueError: They do not match the header.
            pyvips.Error: The encoder has failed.
        """
        header = self._header
        self._rows += len(rows)
        if rows.shape[1:] != (header.width, header.samples) or rows.dtype != header.dtype or self._rows > header.height:
            raise ValueError(f"{self._rows} rows of {rows.shape[1:]} {rows.dtype} do not match {header}")
        if self._failure is not None:
            raise self._failure
        # PNG's samples have the high byte first, and each row begins with the number of its filter, 0 for none.
        big_endian = np.ascontiguousarray(rows, rows.dtype.newbyteorder(">"))
        lines = np.zeros((len(rows), 1 + big_endian[0].nbytes), np.uint8)
        lines[:, 1:] = big_endian.view(np.uint8).reshape(len(rows), -1)
        self._put_chunk(b"IDAT", self._deflate.compress(lines.data))

    def finish(self) -> None:
        """Wait for the encoder.

        Raises:
            ValueError: Rows are missing.
            pyvips.Error: The encoder has failed.
        """
        if self._rows != self._header.height:
            raise ValueError(f"{self._rows} of {self._header.height} rows were written")
        self._put_chunk(b"IDAT", self._deflate.flush())
        self._put_chunk(b"IEND", b"")
        self._close()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def abandon(self) -> None:
        """Stop the encoder as soon as possible."""
        if self._image is not None:
            self._image.set_kill(True)
        self._close()
        self._thread.join(timeout=1)  # some encoders never check whether they should stop

    def _encode(self, encode: Callable[[pyvips.Image], None]) -> None:
        try:
            source = pyvips.Source.new_from_descriptor(self._reading)
            image = pyvips.Image.new_from_source(source, "", access="sequential", fail_on="error")
            image.set_progress(True)  # without it libvips does not check whether it should stop
            self._image = image
            encode(image)
        except Exception as error:  # raised in the calling thread
            self._failure = error
        finally:
            # The writing end must not block for ever.
            while os.read(self._reading, 2**16):
                pass
            os.close(self._reading)

    def _put_chunk(self, kind: bytes, data: bytes) -> None:
        self._put(struct.pack(">I", len(data)) + kind)
        self._put(data)
        self._put(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))

    def _put(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._writing, left) :]

    def _close(self) -> None:
        if self._open:
            self._open = False
            os.close(self._writing)
