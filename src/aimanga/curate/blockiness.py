"""Blockiness: the grid that JPEG leaves, wherever it begins.

Source: the idea of comparing steps at the borders of blocks with the others is that of Z. Wang, A. C. Bovik and
B. L. Evans, "Blind measurement of blocking artifacts in images", ICIP 2000; here in pixels, with the phase unknown.
"""

import math

import numpy as np
import numpy.typing as npt

_BLOCK = 8
# Gray levels: below it a mean step is rounding, and a ratio of such steps says nothing.
_LEAST_STEP = 0.05


class GridSteps:
    """Collects the steps between columns and between rows from bands of luma.

    Args:
        width: Of the picture, at least 16 pixels.
    """

    def __init__(self, width: int) -> None:
        self._columns = np.zeros(width - 1, np.int64)
        self._rows: list[npt.NDArray[np.int64]] = []
        self._last: npt.NDArray[np.int16] | None = None

    def add(self, luma: npt.NDArray[np.int16]) -> None:
        """Take the next rows: H x W, 0 to 255; H at most 256, so that sums of columns fit into 16 bits."""
        self._columns += np.abs(luma[:, 1:] - luma[:, :-1]).view(np.uint16).sum(0, dtype=np.uint16)
        if self._last is not None:
            self._rows.append(np.abs(luma[:1] - self._last).sum(1, dtype=np.int32))
        self._rows.append(np.abs(luma[1:] - luma[:-1]).sum(1, dtype=np.int32))
        self._last = luma[-1].copy()

    def finish(self) -> float:
        """The blockiness: the mean over both directions of log(strongest phase / mean of the seven others).

        0 and a little above it for pictures without a grid; JPEG of quality 20 gives about 0.75, larger is worse.
        """
        rows = np.concatenate(self._rows)
        height, width = len(rows) + 1, len(self._columns) + 1
        return (_strongest_phase(self._columns / height) + _strongest_phase(rows / width)) / 2


def _strongest_phase(steps: npt.NDArray[np.float64]) -> float:
    phases = steps[: len(steps) // _BLOCK * _BLOCK].reshape(-1, _BLOCK).mean(0)
    strongest = float(phases.max())
    rest = (float(phases.sum()) - strongest) / (_BLOCK - 1)
    return math.log((strongest + _LEAST_STEP) / (rest + _LEAST_STEP))
