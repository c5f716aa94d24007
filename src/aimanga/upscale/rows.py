"""Pictures as streams of bands of rows: buffered, resized, aligned.

A band is a tensor N x C x h x W with the next h rows of a picture, h arbitrary.
"""

from collections import deque
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from aimanga.tensors import cubic_taps, resize, weighted_sum


class RowBuffer:
    """A queue of rows from top to bottom.

    Attributes:
        end: Number of rows that have arrived.
    """

    def __init__(self) -> None:
        self.end = 0
        self._parts: deque[tuple[int, Tensor]] = deque()  # number of the first row, rows
        self._place: Tensor | None = None

    def append(self, rows: Tensor) -> None:
        """Add the next rows."""
        self._parts.append((self.end, rows))
        self.end += rows.shape[2]

    def skip(self, count: int) -> None:
        """Count rows that nobody will read."""
        self.end += count

    def pieces(self, start: int, stop: int) -> Iterator[Tensor]:
        """The rows from `start` up to `stop`, in as many pieces as they came in."""
        for first, rows in self._parts:
            low, high = max(start - first, 0), min(stop - first, rows.shape[2])
            if low < high:
                yield rows[:, :, low:high]

    def between(self, start: int, stop: int) -> Tensor:
        """The rows from `start` up to `stop`."""
        pieces = list(self.pieces(start, stop))
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces, 2)

    def starts(self) -> Iterator[int]:
        """The number of the first row of every piece."""
        return (first for first, _ in self._parts)

    def forget(self, before: int) -> None:
        """Drop the rows above row `before`."""
        while self._parts and self._parts[0][0] + self._parts[0][1].shape[2] <= before:
            self._parts.popleft()
        if self._parts:
            first, rows = self._parts[0]
            unneeded = before - first
            # A few rows must not hold the memory of many: they move to a place of their own. It is always the same one:
            # what was there before has been forgotten by now, and small new places among large ones would let the heap
            # grow for ever.
            if 2 * unneeded > rows.shape[2]:
                self._parts[0] = (before, self._moved(rows[:, :, unneeded:]))

    def _moved(self, rows: Tensor) -> Tensor:
        if self._place is None or self._place.shape[2] < rows.shape[2]:
            self._place = torch.empty_like(rows)
        elif self._place.untyped_storage().data_ptr() == rows.untyped_storage().data_ptr():
            return rows  # they are there already
        return self._place[:, :, : rows.shape[2]].copy_(rows)


def resize_rows(bands: Iterable[Tensor], height: int, size: tuple[int, int]) -> Iterator[Tensor]:
    """Resize a stream of rows as `aimanga.tensors.resize` resizes a picture.

    Args:
        bands: The picture.
        height: Its height.
        size: Width and height of the result.

    Yields:
        Bands of the result, equal to that of `resize`.
    """
    new_width, new_height = size
    if new_height == height:
        for band in bands:
            yield resize(band, band.shape[2], new_width)
        return
    weights, sources = cubic_taps(height, new_height)
    # At the picture's ends, where it is mirrored, the sources do not go down with the rows of the result.
    firsts = sources.amin(1).flip(0).cummin(0).values.flip(0)
    lasts = sources.amax(1).cummax(0).values
    rows = RowBuffer()
    done = 0
    for band in bands:
        rows.append(band)
        stop = int(torch.searchsorted(lasts, rows.end))
        if stop == done:
            continue
        first = int(firsts[done])
        window = rows.between(first, int(lasts[stop - 1]) + 1)
        made = weighted_sum(window, 2, weights[done:stop], sources[done:stop] - first)
        yield resize(made, stop - done, new_width)
        done = stop
        if done < new_height:
            rows.forget(int(firsts[done]))


def lockstep(*streams: Iterator[Tensor]) -> Iterator[tuple[Tensor, ...]]:
    """Align streams of the same number of rows: each step yields the same rows of all of them.

    Raises:
        ValueError: One of them ends before the others.
    """
    bands = [next(stream, None) for stream in streams]
    while present := [band for band in bands if band is not None]:
        if len(present) < len(streams):
            raise ValueError("a stream of rows is shorter than the others")
        height = min(band.shape[2] for band in present)
        yield tuple(band[:, :, :height] for band in present)
        bands = [
            band[:, :, height:] if band.shape[2] > height else next(stream, None)
            for band, stream in zip(present, streams, strict=True)
        ]
