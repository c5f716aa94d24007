"""Sharpness: whether a picture is what its size says, or was enlarged, or is out of focus throughout.

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
"""Side of the windows whose spectra are looked at, in pixels."""

_WINDOWS = 32
# Cycles a pixel. An enlargement by 2 leaves nothing above 0.25; the utmost is left out, where demosaicking and
# the reduction of chroma have their own ways.
_COARSE, _FINE = (0.1, 0.2), (0.3, 0.45)
# Deviations in gray levels. What rounding to whole levels leaves in a picture without fine detail is not taken for
# some; and a window with less coarse contrast than noise of 5 levels has, as blur leaves it, is no sharper for that.
_ROUNDING, _LEAST_CONTRAST = 12**-0.5, 5.0


class Spectra:
    """Collects the windows with the most contrast from bands of luma.

    The bands are of whole windows; only the last one may have other rows.
    """

    def __init__(self) -> None:
        self._windows: list[tuple[float, int, npt.NDArray[np.float32]]] = []
        self._seen = 0

    def add(self, luma: npt.NDArray[np.int16]) -> None:
        """Take the next rows: H x W, 0 to 255. What does not fill a window is left out."""
        down, across = (side // WINDOW for side in luma.shape)
        if not down or not across:
            return
        windows = luma[: down * WINDOW, : across * WINDOW].reshape(down, WINDOW, across, WINDOW)
        contrast = windows[:, ::4, :, ::2].astype(np.float32).var((1, 3)).ravel()
        for place in np.argsort(-contrast, kind="stable")[:_WINDOWS]:
            if len(self._windows) == _WINDOWS and contrast[place] <= self._windows[0][0]:
                break
            window = windows[place // across, :, place % across].astype(np.float32)
            # Of equal contrast the earlier one is kept; numbers keep the heap from comparing windows.
            self._seen += 1
            keep = heapq.heappush if len(self._windows) < _WINDOWS else heapq.heapreplace
            keep(self._windows, (float(contrast[place]), -self._seen, window))

    def finish(self) -> float:
        """The sharpness: the median over the windows of log(power at fine frequencies / power at coarse ones).

        Photos have -4.7 to -1, enlargements by 2 about -5.2, blurred ones less than -4.8.
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
