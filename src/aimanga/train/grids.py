"""Sheets of pictures: LR, the output at iteration 0, the output now, HR; and sheets of the network's inputs."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from aimanga.degrade import Sample
from aimanga.images import Box, Picture, write
from aimanga.images.sheet import Cell, contact_sheet, enlarged
from aimanga.tensors import to_array

Pixels = npt.NDArray[np.uint8]

# Side of the part of a picture in a sheet, pixel by pixel: textures cannot be judged in a thumbnail.
_SIDE = 256
# The least width of a cell, for its text.
_NARROWEST = 256
# The approximate width of a letter, in pixels.
_LETTER = 6.5


@dataclass(frozen=True, eq=False)
class Output:
    """The output of a network for a picture.

    Attributes:
        pixels: H x W x 3, uint8.
        scores: Its scores by metric.
    """

    pixels: Pixels
    scores: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Row:
    """A picture of a sheet.

    Attributes:
        name: Its title.
        low: LR, h x w x 3, uint8.
        start: The output at iteration 0, (h scale) x (w scale) x 3.
        now: The output now, likewise.
        high: HR, likewise; None if there is no ground truth.
    """

    name: str
    low: Pixels
    start: Output
    now: Output
    high: Pixels | None


def write_grid(path: Path, rows: Sequence[Row]) -> None:
    """Write a sheet with a row for each picture: LR, the output at iteration 0, the output now, HR.

    It shows the most detailed part of HR, or of LR without ground truth: the same part at each validation.

    Args:
        path: A PNG file; an existing one is replaced.
        rows: The pictures; all of them with HR, or all without.
    """
    cells = []
    for row in rows:
        scale = row.now.pixels.shape[0] // row.low.shape[0]
        if row.high is None:
            small = most_detailed(row.low, _SIDE // scale, 1)
            box = small.times(scale)
        else:
            box = most_detailed(row.high, _SIDE // scale * scale, scale)
            small = box.divided(scale)
        cells += [
            _cell(enlarged(small.of(row.low), scale), row.name, ["LR"]),
            _cell(box.of(row.start.pixels), "start", _in_words(row.start.scores)),
            _cell(box.of(row.now.pixels), "now", _in_words(row.now.scores)),
        ]
        if row.high is not None:
            cells.append(_cell(box.of(row.high), "HR"))
    write(contact_sheet(cells, columns=len(cells) // len(rows)), path)


def write_inputs(path: Path, low: Tensor, samples: Sequence[Sample | None]) -> None:
    """Write a sheet of the network's inputs, enlarged by repeating pixels, with the degradation of each.

    Args:
        path: A PNG file; an existing one is replaced.
        low: LR crops, N x 3 x h x w, range [0, 1].
        samples: Their degradations; None for a stored LR crop.
    """
    height, width = low.shape[2:]
    zoom = max(2, -(-_NARROWEST // width))
    cells = []
    for number, sample in enumerate(samples):
        pixels = enlarged(pixels_of(low[number : number + 1]).pixels, zoom)
        lines = ["a stored pair"] if sample is None else [str(step) for step in sample.steps]
        cells.append(_cell(pixels, f"{number + 1}: {width} x {height}", lines))
    write(contact_sheet(cells), path)


def most_detailed(pixels: Pixels, side: int, grid: int) -> Box:
    """Find the part whose gray levels change most from pixel to pixel.

    Args:
        pixels: H x W x 3, uint8.
        side: Side of the part; of a smaller picture, as much as there is.
        grid: The part's place and size are multiples of this.
    """
    gray = pixels.mean(2)
    height, width = (min(side, length) // grid * grid for length in gray.shape)
    changes = np.abs(np.diff(gray, axis=0))[:, :-1] + np.abs(np.diff(gray, axis=1))[:-1]
    sums = np.pad(changes.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    tops = np.arange(0, gray.shape[0] - height + 1, grid)
    lefts = np.arange(0, gray.shape[1] - width + 1, grid)
    bottoms, rights = tops + height - 1, lefts + width - 1
    inside = sums[np.ix_(bottoms, rights)] + sums[np.ix_(tops, lefts)]
    inside -= sums[np.ix_(tops, rights)] + sums[np.ix_(bottoms, lefts)]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    return Box(int(lefts[column]), int(tops[row]), width, height)


def pixels_of(x: Tensor) -> Picture:
    """Convert 1 x 3 x H x W, range [0, 1], to an 8-bit picture."""
    return Picture(to_array(x.cpu(), np.uint8))


def _cell(pixels: Pixels, title: str, lines: Sequence[str] = ()) -> Cell:
    """A cell with all of its text: lines are wrapped, and narrow pictures are padded."""
    padded = np.full((pixels.shape[0], max(_NARROWEST, pixels.shape[1]), 3), 255, np.uint8)
    padded[:, : pixels.shape[1]] = pixels
    letters = int(padded.shape[1] / _LETTER)
    wrapped = [part for line in lines for part in textwrap.wrap(line, letters, subsequent_indent="    ")]
    return Cell(padded, title, wrapped)


def _in_words(scores: Mapping[str, float]) -> list[str]:
    """Two scores a line."""
    words = [f"{name} {value:.4g}" for name, value in scores.items()]
    return [",  ".join(words[first : first + 2]) for first in range(0, len(words), 2)]
