"""The sheets that a person looks at: what the network makes now, beside what it made at first and what is true."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from aimanga.degrade import Sample
from aimanga.images import Box, Picture, write
from aimanga.images.sheet import Cell, contact_sheet
from aimanga.tensors import to_array

Pixels = npt.NDArray[np.uint8]

# So much of a picture is shown, pixel by pixel: shrunk, its textures could not be judged.
_SIDE = 256
# Pictures of low resolution are enlarged to be as large as the text under them needs.
_NARROWEST = 260


@dataclass(frozen=True, eq=False)
class Row:
    """One picture on its way.

    Attributes:
        name: For people.
        low: h x w x 3, uint8: what the network gets.
        before: (h scale) x (w scale) x 3: what it made at first.
        now: What it makes now, likewise.
        high: What is true, likewise; None where nobody knows.
        scores: What was measured of `now`.
    """

    name: str
    low: Pixels
    before: Pixels
    now: Pixels
    high: Pixels | None
    scores: Mapping[str, float]


def write_grid(path: Path, rows: Sequence[Row]) -> None:
    """Write a sheet: the most detailed part of each picture as it comes in, came out at first, does now, and should.

    Args:
        path: A PNG file, which is replaced.
        rows: The pictures; all of them with a true one, or all without.
    """
    cells = []
    for row in rows:
        scale = row.now.shape[0] // row.low.shape[0]
        box = most_detailed(row.now if row.high is None else row.high, _SIDE // scale * scale, scale)
        small = Box(*(length // scale for length in (box.left, box.top, box.width, box.height)))
        low = small.of(row.low).repeat(scale, 0).repeat(scale, 1)
        scores = [f"{name} {value:.4g}" for name, value in row.scores.items()]
        cells += [
            Cell(low, row.name, ["what it gets"]),
            Cell(box.of(row.before), "at first"),
            Cell(box.of(row.now), "now", [", ".join(scores[:3]), ", ".join(scores[3:])]),
        ]
        if row.high is not None:
            cells.append(Cell(box.of(row.high), "as it should be"))
    write(contact_sheet(cells, columns=len(cells) // len(rows)), path)


def fed_sheet(path: Path, low: Tensor, samples: Sequence[Sample | None]) -> None:
    """Write a sheet of what the network is fed, and what was done to make it.

    Args:
        path: A PNG file, which is replaced.
        low: N x 3 x h x w, range [0, 1].
        samples: How each was made; None for one that was stored.
    """
    zoom = -(-_NARROWEST // low.shape[3])
    cells = []
    for number, sample in enumerate(samples):
        pixels = to_array(low[number : number + 1].cpu(), np.uint8).repeat(zoom, 0).repeat(zoom, 1)
        lines = ["a stored pair"] if sample is None else [str(step) for step in sample.steps]
        cells.append(Cell(pixels, f"{number + 1}: {low.shape[3]} x {low.shape[2]}", lines))
    write(contact_sheet(cells), path)


def most_detailed(pixels: Pixels, side: int, grid: int) -> Box:
    """Find the square whose gray levels change most from pixel to pixel.

    Args:
        pixels: H x W x 3, uint8.
        side: Of the square; where the picture is smaller, as much as there is.
        grid: Its place and size are multiples of this.
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
    """1 x 3 x H x W, range [0, 1], as a picture of 8 bits."""
    return Picture(to_array(x.cpu(), np.uint8))
