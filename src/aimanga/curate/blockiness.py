"""Blockiness: how visible the 8 x 8 grid of JPEG is, at any phase.

Source: the idea of comparing steps at the borders of blocks with the others is by Z. Wang, A. C. Bovik and
B. L. Evans, "Blind measurement of blocking artifacts in images", ICIP 2000; here in pixels, with the phase unknown.
"""

import math

import numpy as np
import numpy.typing as npt

_BLOCK = 8
# Gray levels: smaller mean steps are rounding, and their ratio means nothing.
_LEAST_STEP = 0.05


class GridSteps:
    """Accumulates the steps between columns and between rows, band by band.

    Args:
        width: Of the picture, at least 16 pixels.
    """

    def __init__(self, width: int) -> None:
        self._columns = np.zeros(width - 1, np.int64)
        self._rows: list[npt.NDArray[np.int64]] = []
        self._last: npt.NDArray[np.int16] | None = None

    def add(self, luma: npt.NDArray[np.int16]) -> None:
        """Add the next rows: H x W, 0 to 255; H at most 256, so that the sums of columns fit into 16 bits."""
        self._columns += np.abs(luma[:, 1:] - luma[:, :-1]).view(np.uint16).sum(0, dtype=np.uint16)
        if self._last is not None:
            self._rows.append(np.abs(luma[:1] - self._last).sum(1, dtype=np.int32))
        self._rows.append(np.abs(luma[1:] - luma[:-1]).sum(1, dtype=np.int32))
        self._last = luma[-1].copy()

    def finish(self) -> float:
        """The mean over both directions of log(strongest phase / mean of the seven others).

        About 0 without a grid and 0.75 for JPEG of quality 20; larger is worse.
        """
        rows = np.concatenate(self._rows)
        height, width = len(rows) + 1, len(self._columns) + 1
        return (_strongest_phase(self._columns / height) + _strongest_phase(rows / width)) / 2


def _strongest_phase(steps: npt.NDArray[np.float64]) -> float:
    phases = steps[: len(steps) // _BLOCK * _BLOCK].reshape(-1, _BLOCK).mean(0)
    strongest = float(phases.max())
    rest = (float(phases.sum()) - strongest) / (_BLOCK - 1)
    return math.log((strongest + _LEAST_STEP) / (rest + _LEAST_STEP))
