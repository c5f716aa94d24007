"""Keep freed memory for the next tensors, instead of returning it to the system."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Parameters of glibc's mallopt (malloc.h).
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_INT = 2**31 - 1

# Where glibc's own adaptation of the two ends; setting a threshold once ends the adaptation.
_USUAL_MMAP_THRESHOLD = 32 * 2**20

# Nesting depth: a training validates within its own context.
_open = 0


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Within this context glibc serves large allocations from memory that was freed before.

    By default it returns tensors of a few megabytes to the system as soon as they are freed, and each new one costs
    a page fault every 4 kB: on virtual machines that can take longer than the convolution that fills it. At the end
    what is free goes back to the system; one context within another changes nothing for the outer one. Elsewhere than
    on Linux with glibc nothing is done.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "mallopt") or not hasattr(libc, "malloc_trim"):
        yield
        return
    global _open
    _open += 1
    libc.mallopt(_MMAP_THRESHOLD, 2**30)
    libc.mallopt(_TRIM_THRESHOLD, _LARGEST_INT)
    try:
        yield
    finally:
        _open -= 1
        if not _open:
            libc.mallopt(_MMAP_THRESHOLD, _USUAL_MMAP_THRESHOLD)
            libc.mallopt(_TRIM_THRESHOLD, 2 * _USUAL_MMAP_THRESHOLD)
        libc.malloc_trim(0)
