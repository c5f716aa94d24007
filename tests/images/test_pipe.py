import threading
import time
from pathlib import Path

import numpy as np
import pytest
import pyvips

from aimanga.images import Header
from aimanga.images.pipe import EncoderPipe

RNG = np.random.default_rng(0)


def samples(channels, kind, height=20, width=9):
    return RNG.integers(0, np.iinfo(kind).max + 1, (height, width, channels), kind)


def header_of(array):
    height, width, channels = array.shape
    return Header(width, height, 1 if channels < 3 else 3, channels in (2, 4), 8 * array.dtype.itemsize)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("cut", [1, 7, 20])
def test_the_encoder_sees_the_rows(channels, kind, cut):
    array = samples(channels, kind)
    seen = []
    pipe = EncoderPipe(header_of(array), lambda image: seen.append((image.interpretation, image.numpy())))
    for top in range(0, 20, cut):
        pipe.write(array[top : top + cut])
    pipe.finish()
    space, pixels = seen[0]
    assert (
        space
        == {(1, 1): "b-w", (3, 1): "srgb", (1, 2): "grey16", (3, 2): "rgb16"}[
            1 if channels < 3 else 3, array.dtype.itemsize
        ]
    )
    np.testing.assert_array_equal(pixels.reshape(array.shape), array)


def test_rows_are_encoded_while_others_are_still_to_come():
    """A first row that the encoder gives on before it gets the last one."""
    array = samples(3, np.uint8, 4000, 500)
    arrived = threading.Event()

    def encode(image):
        pyvips.Region.new(image).fetch(0, 0, 500, 1)
        arrived.set()
        image.avg()

    pipe = EncoderPipe(header_of(array), encode)
    pipe.write(array[:2000])
    assert arrived.wait(10)
    pipe.abandon()


def test_what_fails_in_the_encoder_is_raised_by_the_next_rows_or_at_the_end():
    array = samples(1, np.uint8)

    def fail(image):
        raise pyvips.Error("no more room")

    pipe = EncoderPipe(header_of(array), fail)
    with pytest.raises(pyvips.Error, match="no more room"):
        for row in array:
            pipe.write(row[None])
            time.sleep(0.01)
        pipe.finish()
    pipe.abandon()


@pytest.mark.parametrize("rows", [samples(3, np.uint8), samples(1, np.uint16), samples(1, np.uint8, 21)])
def test_rows_of_another_kind_are_refused(rows):
    pipe = EncoderPipe(header_of(samples(1, np.uint8)), lambda image: image.avg())
    with pytest.raises(ValueError, match="do not match"):
        pipe.write(rows)
    pipe.abandon()


def test_missing_rows_are_an_error():
    array = samples(1, np.uint8)
    pipe = EncoderPipe(header_of(array), lambda image: image.avg())
    pipe.write(array[:19])
    with pytest.raises(ValueError, match="19 of 20 rows"):
        pipe.finish()
    pipe.abandon()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux, where open files can be counted")
def test_nothing_stays_open():
    pyvips.cache_set_max(0)  # libvips remembers its last operations, and with them what they read
    array = samples(3, np.uint8)
    open_files = set(Path("/proc/self/fd").iterdir())
    threads = threading.active_count()
    for _ in range(20):
        pipe = EncoderPipe(header_of(array), lambda image: image.avg())
        pipe.write(array)
        pipe.finish()
    assert threading.active_count() == threads
    pyvips.cache_set_max(1000)
    assert len(set(Path("/proc/self/fd").iterdir())) <= len(open_files) + 2  # of 20
