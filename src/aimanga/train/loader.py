"""Load the crops of each iteration, in threads, ahead of the network."""

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

# Rows that are decoded at once.
_BAND = 256
# So many pictures of at most so many pixels are cached: small data sets are read again and again.
_CACHED, _SMALL = 16, 2**20


@dataclass(frozen=True)
class Crop:
    """An HR crop, and its LR crop or the degradation that makes it.

    Attributes:
        high: side x side x 3, uint8, RGB.
        low: The stored LR crop, likewise, smaller by the scale; None if it is degraded.
        sample: The degradation; None if the LR crop is stored.
    """

    high: Pixels
    low: Pixels | None
    sample: Sample | None


Batch = tuple[Crop, ...]
"""One process's share of an iteration's batch."""


class Loader:
    """Loads the batches.

    A sample depends on its number and the seed alone: iteration i has the samples from i `batch_size` on, split among
    the processes. They are the same for any number of processes and workers.

    Args:
        data: The pictures.
        recipe: Crop, batch size, seed, workers.
        degradation: Makes LR crops where none are stored.
        scale: The scale factor of the network.
        rank: The number of this process.
        ranks: The number of processes; the batch size is a multiple of it.
    """

    def __init__(
        self, data: DataSet, recipe: TrainRecipe, degradation: Recipe, scale: int, *, rank: int = 0, ranks: int = 1
    ) -> None:
        self._recipe, self._degradation, self._scale = recipe, degradation, scale
        self._rank, self._share = rank, recipe.train.batch_size // ranks
        self._sampler = Sampler(data.sets, recipe.train.seed)
        self._read = lru_cache(maxsize=_CACHED)(read_box)

    def batches(self, start: int) -> Yielding[Batch, None, None]:
        """The batches from iteration `start` on, without an end. Close it to end the threads.

        Raises:
            PictureError: A picture has changed or gone since it was checked.
        """
        workers = self._recipe.data.workers
        numbers = self._numbers(start)
        if workers == 0:
            yield from (tuple(map(self.crop, batch)) for batch in numbers)
            return
        waiting: deque[list[Future[Crop]]] = deque()
        pool = ThreadPoolExecutor(workers, thread_name_prefix="loader")
        try:
            for batch in numbers:
                waiting.append([pool.submit(self.crop, number) for number in batch])
                if len(waiting) > 2:
                    yield tuple(future.result() for future in waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def crop(self, number: int) -> Crop:
        """Load the sample of a number."""
        item = self._sampler.item(number)
        side, scale, seed = self._recipe.data.crop, self._scale, self._recipe.train.seed
        whole = item.box
        assert whole is not None  # since it was checked
        # Crops of a stored pair begin at a pixel of its LR picture.
        grid = 1 if item.lr is None else scale
        generator = Generator().manual_seed(seed_of(seed, str(number), "crop"))
        left, top = (
            grid * int(torch.randint(0, (length - side) // grid + 1, (), generator=generator))
            for length in (whole.width, whole.height)
        )
        turn = int(torch.randint(0, 8, (), generator=generator)) if self._recipe.data.augment else 0
        high = augmented(self._cut(item.file, whole, Box(left, top, side, side)), turn)
        if item.lr is None:
            return Crop(high, None, draw(self._degradation, side, side, seed_of(seed, str(number), "degradation")))
        low = augmented(self._cut(item.lr, whole.divided(scale), Box(left, top, side, side).divided(scale)), turn)
        return Crop(high, low, None)

    def _numbers(self, start: int) -> Iterator[range]:
        first = start * self._recipe.train.batch_size + self._rank * self._share
        while True:
            yield range(first, first + self._share)
            first += self._recipe.train.batch_size

    def _cut(self, path: Path, whole: Box, part: Box) -> Pixels:
        """Read `part` of the part `whole` of a picture."""
        limit = self._recipe.data.max_pixels
        if whole.width * whole.height <= _SMALL:
            return part.of(self._read(path, whole, max_pixels=limit))
        box = Box(whole.left + part.left, whole.top + part.top, part.width, part.height)
        return read_box(path, box, max_pixels=limit)


def to_tensors(batch: Batch, scale: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Convert a batch to LR and HR tensors; LR crops that are not stored are made on the device.

    Args:
        batch: Crops of one side.
        scale: The scale factor of the network.
        device: Where the tensors are put.

    Returns:
        N x 3 x side/scale x side/scale, and N x 3 x side x side: float32, RGB, range [0, 1].
    """
    high = _tensor([crop.high for crop in batch], device)
    side = high.shape[2] // scale
    low = torch.empty(len(high), 3, side, side, device=device)
    stored = [(n, crop.low) for n, crop in enumerate(batch) if crop.low is not None]
    degraded = [(n, crop.sample) for n, crop in enumerate(batch) if crop.sample is not None]
    if stored:
        low[[n for n, _ in stored]] = _tensor([pixels for _, pixels in stored], device)
    if degraded:
        places = [n for n, _ in degraded]
        low[places] = degrade(high[places], [sample for _, sample in degraded])
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


def augmented(pixels: Pixels, turn: int) -> Pixels:
    """One of the eight flips and rotations of a crop: 0 leaves it as it is, odd ones mirror it; H x W x C."""
    pixels = pixels[:, ::-1] if turn & 1 else pixels
    pixels = pixels[::-1] if turn & 2 else pixels
    return pixels.transpose(1, 0, 2) if turn & 4 else pixels


def _tensor(pixels: list[Pixels], device: torch.device) -> Tensor:
    stacked = torch.from_numpy(np.stack(pixels)).to(device)
    return stacked.permute(0, 3, 1, 2).float().div_(255).contiguous()
