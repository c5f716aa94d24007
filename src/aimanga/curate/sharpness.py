"""Sharpness: low for pictures that were enlarged or are out of focus throughout.

An enlarged picture has no fine detail: its spectrum ends where that of the small one ended. Source of the idea:
D. Field, "Relations between the statistics of natural images and the response properties of cortical cells", JOSA A
4(12), 1987: the power of photos falls with the square of the frequency, so what it should be is known.
"""

import heapq
import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.fft

WINDOW = 64
"""Side of the windows whose spectra are measured, in pixels."""

_WINDOWS = 32
# Cycles a pixel. An enlargement by 2 leaves nothing above 0.25; the highest frequencies are left out, since they
# depend on demosaicking and chroma subsampling.
_COARSE, _FINE = (0.1, 0.2), (0.3, 0.45)
# Standard deviations in gray levels. Rounding to whole levels does not count as fine detail; and a blurred window with
# less coarse contrast than noise of 5 levels does not count as sharper for that.
_ROUNDING, _LEAST_CONTRAST = 12**-0.5, 5.0


class Spectra:
    """Keeps the windows with the most contrast, band by band."""

    def __init__(self) -> None:
        self._windows: list[tuple[float, int, npt.NDArray[np.float32]]] = []
        self._seen = 0

    def add(self, luma: npt.NDArray[np.int16]) -> None:
        """Add the next rows: H x W, 0 to 255; H is a multiple of `WINDOW`, except at the end. The rest is dropped."""
        down, across = (side // WINDOW for side in luma.shape)
        if not down or not across:
            return
        windows = luma[: down * WINDOW, : across * WINDOW].reshape(down, WINDOW, across, WINDOW)
        contrast = windows[:, ::4, :, ::2].astype(np.float32).var((1, 3)).ravel()
        for place in np.argsort(-contrast, kind="stable")[:_WINDOWS]:
            if len(self._windows) == _WINDOWS and contrast[place] <= self._windows[0][0]:
                break
            window = windows[place // across, :, place % across].astype(np.float32)
            # Of equal contrast the earlier window is kept; the number keeps the heap from comparing windows.
            self._seen += 1
            keep = heapq.heappush if len(self._windows) < _WINDOWS else heapq.heapreplace
            keep(self._windows, (float(contrast[place]), -self._seen, window))

    def finish(self) -> float:
        """The median over the windows of log(power at fine frequencies / power at coarse ones).

        -4.7 to -1 for photos, about -5.2 for enlargements by 2, below -4.8 for blurred pictures.
        """
        stack = np.stack([window for _, _, window in self._windows])
        taper, coarse, fine = _bands()
        spectra = scipy.fft.rfft2((stack - stack.mean((1, 2), keepdims=True)) * taper)
        power = (spectra.real**2 + spectra.imag**2) / np.square(taper).sum()
        ratios = np.log(power[:, fine].mean(1) + _ROUNDING**2) - np.log(power[:, coarse].mean(1) + _LEAST_CONTRAST**2)
        return float(np.median(ratios))


@lru_cache(maxsize=1)
def _bands() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """The taper of a window (Hann), and which frequencies are coarse and fine."""
    hann = 0.5 - 0.5 * np.cos(2 * math.pi * np.arange(WINDOW) / WINDOW)
    radius = np.hypot(np.fft.fftfreq(WINDOW)[:, None], np.fft.rfftfreq(WINDOW))
    return (
        np.outer(hann, hann).astype(np.float32),
        (radius >= _COARSE[0]) & (radius < _COARSE[1]),
        (radius >= _FINE[0]) & (radius < _FINE[1]),
    )
