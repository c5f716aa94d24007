"""Squares of pictures for each iteration, read ahead by threads."""

from collections import deque
from collections.abc import Generator as Yielding
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor

from aimanga.degrade import Recipe, Sample, degrade, draw
from aimanga.errors import PictureError
from aimanga.hashing import seed_of
from aimanga.images import Box, Picture, PictureFile, rgb
from aimanga.train.check import DataSet
from aimanga.train.recipe import TrainRecipe
from aimanga.train.sampling import Sampler

Pixels = npt.NDArray[np.uint8]

_BAND = 256
# Some pictures of so few pixels are kept for the next squares: small sets are read again and again.
_KEPT, _SMALL = 16, 2**20


@dataclass(frozen=True)
class Square:
    """One square, and how its picture of low resolution is made.

    Attributes:
        high: side x side x 3, uint8, RGB.
        low: The stored one, likewise, smaller by the scale; None where it is made.
        sample: How it is made; None where it is stored.
    """

    high: Pixels
    low: Pixels | None
    sample: Sample | None


@dataclass(frozen=True)
class Batch:
    """What one process sees in one iteration: a square for each sample."""

    squares: tuple[Square, ...]

    @property
    def samples(self) -> tuple[Sample | None, ...]:
        """How the pictures of low resolution are made."""
        return tuple(square.sample for square in self.squares)


class Feed:
    """Reads what each iteration sees.

    A sample depends on its number and on the seed alone: iteration i sees the samples from i `batch` on, of which each
    process takes its part. The samples are the same for any number of processes and of readers.

    Args:
        data: The pictures.
        recipe: Crop, batch, seed, readers.
        degradation: How pictures of low resolution are made.
        scale: The factor of the network.
        rank: The number of this process.
        ranks: How many there are; the batch divides by it.
    """

    def __init__(
        self, data: DataSet, recipe: TrainRecipe, degradation: Recipe, scale: int, *, rank: int = 0, ranks: int = 1
    ) -> None:
        self._recipe, self._degradation, self._scale = recipe, degradation, scale
        self._rank, self._part = rank, recipe.train.batch // ranks
        self._sampler = Sampler(data.sets, recipe.train.seed)
        self._read = lru_cache(maxsize=_KEPT)(read_box)

    def batches(self, start: int) -> Yielding[Batch, None, None]:
        """The batches from iteration `start` on, without an end; two are read ahead. Close it to end the threads.

        Raises:
            PictureError: A picture has changed or gone since it was checked.
        """
        readers = self._recipe.data.readers
        numbers = self._numbers(start)
        if readers == 0:
            for batch in numbers:
                yield Batch(tuple(map(self.square, batch)))
            return
        waiting: deque[list[Future[Square]]] = deque()
        pool = ThreadPoolExecutor(readers, thread_name_prefix="reader")
        try:
            for batch in numbers:
                waiting.append([pool.submit(self.square, number) for number in batch])
                if len(waiting) > 2:
                    yield Batch(tuple(future.result() for future in waiting.popleft()))
        finally:
            pool.shutdown(cancel_futures=True)

    def square(self, number: int) -> Square:
        """The sample of a number."""
        item = self._sampler.item(number)
        side, scale, seed = self._recipe.data.crop, self._scale, self._recipe.train.seed
        whole = item.box
        assert whole is not None  # since it was checked
        # Where a picture of low resolution is stored only its own pixels can be cut out of it.
        grid = 1 if item.lr is None else scale
        generator = Generator().manual_seed(seed_of(seed, str(number), "square"))
        left, top = (
            grid * int(torch.randint(0, (length - side) // grid + 1, (), generator=generator))
            for length in (whole.width, whole.height)
        )
        turn = int(torch.randint(0, 8, (), generator=generator)) if self._recipe.data.flip else 0
        high = turned(self._cut(item.file, whole, Box(left, top, side, side)), turn)
        if item.lr is None:
            return Square(high, None, draw(self._degradation, side, side, seed_of(seed, str(number), "degradation")))
        low = turned(self._cut(item.lr, whole.divided(scale), Box(left, top, side, side).divided(scale)), turn)
        return Square(high, low, None)

    def _numbers(self, start: int) -> Iterator[list[int]]:
        first = start * self._recipe.train.batch + self._rank * self._part
        while True:
            yield list(range(first, first + self._part))
            first += self._recipe.train.batch

    def _cut(self, path: Path, whole: Box, part: Box) -> Pixels:
        """Read a part of the part of a picture that is looked at."""
        limit = self._recipe.data.max_pixels
        if whole.width * whole.height <= _SMALL:
            return part.of(self._read(path, whole, max_pixels=limit))
        box = Box(whole.left + part.left, whole.top + part.top, part.width, part.height)
        return read_box(path, box, max_pixels=limit)


def pair(batch: Batch, scale: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Make tensors of a batch, and what it lacks of low resolution.

    Args:
        batch: The squares, all of one side.
        scale: The factor of the network.
        device: Where the tensors are to be, and where pictures are degraded.

    Returns:
        N x 3 x side/scale x side/scale, and N x 3 x side x side: float32, RGB, range [0, 1].
    """
    high = _tensor([square.high for square in batch.squares], device)
    side = high.shape[2] // scale
    low = torch.empty(len(high), 3, side, side, device=device)
    stored = [n for n, square in enumerate(batch.squares) if square.low is not None]
    made = [n for n, square in enumerate(batch.squares) if square.low is None]
    if stored:
        low[stored] = _tensor([found for n in stored if (found := batch.squares[n].low) is not None], device)
    if made:
        samples = [sample for n in made if (sample := batch.squares[n].sample) is not None]
        low[made] = degrade(high[made], samples)
    return low, high


def read_box(path: Path, box: Box, *, max_pixels: int) -> Pixels:
    """Read a part of a picture in 8 bits of RGB; the rows below it are not decoded.

    Raises:
        PictureError: The picture cannot be read, or has no such part.
    """
    rows = []
    for number, band in enumerate(PictureFile(path, max_pixels=max_pixels).bands(_BAND)):
        first = number * _BAND
        if first >= box.top + box.height:
            break
        part = band[max(0, box.top - first) : box.top + box.height - first, box.left : box.left + box.width]
        rows.append(np.array(part))  # a copy: the band's memory is used again
    pixels = np.concatenate(rows)
    if pixels.shape[:2] != (box.height, box.width):
        raise PictureError(f"{path}: it has become smaller since it was checked")
    return rgb(Picture.from_array(pixels)).pixels


def turned(pixels: Pixels, turn: int) -> Pixels:
    """One of the eight ways to lay a square: 0 leaves it, odd ones mirror it; H x W x C."""
    pixels = pixels[:, ::-1] if turn & 1 else pixels
    pixels = pixels[::-1] if turn & 2 else pixels
    return pixels.transpose(1, 0, 2) if turn & 4 else pixels


def _tensor(pixels: list[Pixels], device: torch.device) -> Tensor:
    stacked = torch.from_numpy(np.stack(pixels)).to(device)
    return stacked.permute(0, 3, 1, 2).float().div_(255).contiguous()
