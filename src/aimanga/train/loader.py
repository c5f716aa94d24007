"""Load the batch of each iteration ahead of the network: worker processes read, crop and degrade on the CPU."""

import atexit
import os
import signal
import threading
import time
import warnings
from collections.abc import Generator as Yielding
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from multiprocessing import resource_tracker
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader, Dataset

from aimanga.degrade import DegradationMixture, Sample, degrade
from aimanga.errors import AimangaError, PictureError, ResourceError
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


class Batch(NamedTuple):
    """One process's share of an iteration's batch.

    Attributes:
        low: LR crops, N x 3 x side/scale x side/scale, uint8, RGB; or bfloat16 features of frozen blocks.
        high: HR crops, N x 3 x side x side, likewise.
        samples: The degradation of each; None where the LR crop was stored.
        corners: Left and top of the part of each LR crop that is used, N x 2.
        finished: Whether the LR crops are degraded and all crops are cut to that part.
        turns: The flip or rotation of each in which the losses are computed; empty if the crops are turned already.
    """

    low: Tensor
    high: Tensor
    samples: tuple[Sample | None, ...]
    corners: tuple[tuple[int, int], ...]
    finished: bool = False
    turns: tuple[int, ...] = ()


class Loader:
    """Loads the batches.

    A sample depends on its number and the seed alone: iteration i has the samples from i `batch_size` on, split among
    the processes. They are the same for any number of processes, and the same bytes for any number of workers.

    Args:
        data: The pictures.
        recipe: Crop, batch size, seed, workers.
        degradation: Makes LR crops where none are stored.
        scale: The scale factor of the network.
        rank: The number of this process.
        ranks: The number of processes; the batch size is a multiple of it.
        workers: Processes that read and degrade, unless the recipe says it.

    Attributes:
        on_device: Whether `to_tensors` degrades, instead of the workers.
    """

    def __init__(
        self, data: DataSet, recipe: TrainRecipe, degradation: DegradationMixture, scale: int, *,
        rank: int = 0, ranks: int = 1, workers: int = 0,
    ) -> None:  # fmt: skip
        self._batches = _Batches(data, recipe, degradation, scale, rank, ranks)
        self._workers = workers if recipe.data.workers is None else recipe.data.workers
        self._crop = recipe.data.crop
        self.on_device = recipe.data.degrade_on == "device"

    def choose(self, device: torch.device) -> None:
        """Degrade on the device if the workers would be the bottleneck; both are measured with the first batch.

        A training step takes about as long as degrading its batch on the same device.
        """
        if device.type == "cpu":
            return
        seconds = []
        for turn in range(2):  # the first one warms up
            begin = time.perf_counter()
            raw = self._batches.raw(turn)
            loaded = time.perf_counter()
            finished(raw, self._crop)
            seconds = [time.perf_counter() - begin, loaded - begin]
            begin = time.perf_counter()
            to_tensors(raw, self._crop, device)[0].sum().item()
            seconds.append(time.perf_counter() - begin)
        by_workers, loading, on_device = seconds
        workers = max(1, self._workers)
        self.on_device = max(loading / workers, 2 * on_device) < by_workers / workers

    def batches(self, start: int, *, pinned: bool = False) -> Yielding[Batch, None, None]:
        """The batches from iteration `start` on, without an end. Close it to end the workers.

        Args:
            start: The first iteration.
            pinned: Copy them to pinned memory, from which a GPU takes them without waiting.

        Raises:
            PictureError: A picture has changed or gone since it was checked.
            ResourceError: A worker died.
        """
        self._batches.finishes = not self.on_device
        if not self._workers:
            for iteration in count(start):
                yield _unless_failed(self._batches[iteration])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)  # more processes than cores
            loader: DataLoader[Batch | Exception] = DataLoader(
                self._batches, batch_size=None, sampler=count(start), num_workers=self._workers, pin_memory=pinned,
                worker_init_fn=_start_worker,
                multiprocessing_context="spawn",  # a forked process may hang: this one has threads
                generator=Generator(),  # else the global one is drawn from
            )  # fmt: skip
        with _workers_starting():
            iterator = iter(loader)
        while True:
            try:
                batch = next(iterator)
            except (RuntimeError, EOFError, OSError) as error:  # errors of pictures come as values
                reason = " ".join(f"{type(error).__name__} {error}".split())
                raise ResourceError(
                    f"a process that loads training data died ({reason}): use fewer, with --set "
                    "data.workers=1, or none with 0"
                ) from error
            yield _unless_failed(batch)


class _Batches(Dataset["Batch | Exception"]):
    """The batch of each iteration; arguments as for `Loader`. An error is returned: it has to cross a process."""

    def __init__(
        self, data: DataSet, recipe: TrainRecipe, degradation: DegradationMixture, scale: int, rank: int, ranks: int,
        finishes: bool = True,
    ) -> None:  # fmt: skip
        self._arguments = data, recipe, degradation, scale, rank, ranks
        self._recipe, self._degradation, self._scale = recipe, degradation, scale
        self._share = recipe.train.batch_size // ranks
        self._first = rank * self._share
        self._sampler = Sampler(data.sets, recipe.train.seed)
        self._read = lru_cache(maxsize=_CACHED)(read_box)
        self.finishes = finishes

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (*self._arguments, self.finishes)

    def __getitem__(self, iteration: int) -> Batch | Exception:
        try:
            batch = self.raw(iteration)
            return finished(batch, self._recipe.data.crop) if self.finishes else batch
        except (AimangaError, OSError) as error:
            return error

    def raw(self, iteration: int) -> Batch:
        """The batch of an iteration before its degradation."""
        first = iteration * self._recipe.train.batch_size + self._first
        crops = [self._crop(number) for number in range(first, first + self._share)]
        low, high, samples, corners = zip(*crops, strict=True)
        return Batch(_stacked(low), _stacked(high), samples, corners)

    def _crop(self, number: int) -> tuple[Pixels, Pixels, Sample | None, tuple[int, int]]:
        """LR crop, HR crop, degradation and corner of a sample; the LR crop is black if it is to be degraded."""
        item = self._sampler.item(number)
        data, scale, seed = self._recipe.data, self._scale, self._recipe.train.seed
        side = data.read_crop
        whole = item.box
        assert whole is not None  # since it was checked
        # Crops of a stored pair begin at a pixel of its LR picture.
        grid = 1 if item.lr is None else scale
        generator = Generator().manual_seed(seed_of(seed, str(number), "crop"))

        def drawn(count: int) -> int:
            return int(torch.randint(0, count, (), generator=generator))

        left, top = (grid * drawn((length - side) // grid + 1) for length in (whole.width, whole.height))
        turn = drawn(8) if data.augment else 0
        room = (side - data.crop) // scale + 1
        corner = (drawn(room), drawn(room)) if room > 1 else (0, 0)
        high = augmented(self._cut(item.file, whole, Box(left, top, side, side)), turn)
        if item.lr is None:
            black = np.zeros((side // scale, side // scale, 3), np.uint8)
            return black, high, self._degradation.draw(side, side, seed_of(seed, str(number), "degradation")), corner
        low = augmented(self._cut(item.lr, whole.divided(scale), Box(left, top, side, side).divided(scale)), turn)
        return low, high, None, corner

    def _cut(self, path: Path, whole: Box, part: Box) -> Pixels:
        """Read `part` of the part `whole` of a picture."""
        limit = self._recipe.data.max_pixels
        if whole.width * whole.height <= _SMALL:
            return part.of(self._read(path, whole, max_pixels=limit))
        box = Box(whole.left + part.left, whole.top + part.top, part.width, part.height)
        return read_box(path, box, max_pixels=limit)


def finished(batch: Batch, crop: int) -> Batch:
    """Degrade the HR crops of a batch that have no LR crops yet, on their device, and cut all crops.

    Args:
        batch: Crops as they were read.
        crop: Side of the HR crops.
    """
    low, high, scale = batch.low, batch.high, batch.high.shape[2] // batch.low.shape[2]
    drawn = {n: sample for n, sample in enumerate(batch.samples) if sample is not None}
    if drawn:
        degraded = degrade(high[list(drawn)].float().div_(255), list(drawn.values()))
        low = low.index_copy(0, torch.tensor(list(drawn), device=low.device), degraded.mul_(255).round_().byte())
    return Batch(_parts(low, batch.corners, 1, crop // scale), _parts(high, batch.corners, scale, crop),
                 batch.samples, batch.corners, finished=True)  # fmt: skip


def to_tensors(batch: Batch, crop: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Copy a batch to a device, and finish it there if that was left to the device.

    Args:
        batch: The crops.
        crop: Side of the HR crops.
        device: Where the tensors are put.

    Returns:
        LR crops, N x 3 x crop/scale x crop/scale, and HR crops, N x 3 x crop x crop: float32, RGB, range [0, 1].
    """
    batch = batch._replace(low=batch.low.to(device, non_blocking=True), high=batch.high.to(device, non_blocking=True))
    if not batch.finished:
        batch = finished(batch, crop)
    low = batch.low.float()
    return low if batch.low.is_floating_point() else low.div_(255), batch.high.float().div_(255)


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


def _stacked(pixels: tuple[Pixels, ...]) -> Tensor:
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()


def _parts(crops: Tensor, corners: tuple[tuple[int, int], ...], scale: int, side: int) -> Tensor:
    if crops.shape[2] == side:
        return crops
    places = ((scale * left, scale * top) for left, top in corners)
    return torch.stack([x[:, y : y + side, left : left + side] for x, (left, y) in zip(crops, places, strict=True)])


def _unless_failed(batch: Batch | Exception) -> Batch:
    if isinstance(batch, Exception):
        raise batch
    return batch


def _start_worker(number: int) -> None:
    """Let a worker leave at once when it ends: the threads of libraries would abort it with a message."""
    atexit.register(os._exit, 0)


@contextmanager
def _workers_starting() -> Iterator[None]:
    """Processes that start within this context never see Ctrl-C, and read each picture with one thread."""
    variable = "VIPS_CONCURRENCY"
    before = os.environ.get(variable)
    os.environ.setdefault(variable, "1")
    # A mask is inherited. The tracker would end it, if it started within.
    resource_tracker.ensure_running()
    posix = hasattr(signal, "pthread_sigmask")
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if posix else set()
    in_main = posix and threading.current_thread() is threading.main_thread()
    at_death = signal.getsignal(signal.SIGCHLD) if in_main else None
    try:
        yield
    finally:
        if posix:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if in_main:
            # PyTorch's handler raises wherever the program is when a worker dies; the next batch will tell.
            signal.signal(signal.SIGCHLD, at_death)
        if before is None:
            del os.environ[variable]
