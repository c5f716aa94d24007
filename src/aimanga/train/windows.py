"""Crops that are degraded once and stored with all that stays the same, and the windows of them that are trained on."""

import hashlib
import json
import math
import shutil
from collections.abc import Generator as Yielding
from collections.abc import Iterator
from functools import lru_cache
from itertools import count
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Generator, Tensor

from aimanga.atomic import replacing
from aimanga.degrade import DegradationMixture
from aimanga.errors import ResourceError
from aimanga.hashing import seed_of
from aimanga.text import counted, file_size
from aimanga.train.check import DataSet
from aimanga.train.loader import Batch, Loader, to_tensors
from aimanga.train.networks import Networks
from aimanga.train.recipe import TrainRecipe

FOLDER = "stored"
"""The folder of the stored crops, within that of the run."""

_NOTE = "stored.json"  # how many crops are stored, under which key

# Crops that go through the networks at once, and how many of them between two notes of the progress.
_AT_ONCE, _NOTED = 4, 64


class Windows:
    """Windows of stored crops: LR, or the features of frozen blocks, and the HR crops of their cores.

    A sample depends on its number and the seed alone, as those of `Loader` do. In an epoch each crop is used once.

    Args:
        folder: The folder of the stored crops.
        recipe: Crop, halo, batch size, seed, frozen blocks.
        networks: The generator; and the teacher, whose results replace the HR crops.
        pictures: Number of training pictures.
        rank: The number of this process.
        ranks: The number of processes; the batch size is a multiple of it.

    Attributes:
        pairs: Number of stored crops.
        bytes: Size of the files.
    """

    def __init__(
        self, folder: Path, recipe: TrainRecipe, networks: Networks, pictures: int, *, rank: int = 0, ranks: int = 1
    ) -> None:
        assert recipe.stored is not None
        self._folder, self._recipe, self._networks, self._scale = folder, recipe, networks, networks.scale
        self._halo = recipe.stored.halo
        self.pairs = recipe.stored.pairs or pictures
        self._share = recipe.train.batch_size // ranks
        self._first = rank * self._share
        side, frozen = recipe.data.read_crop, recipe.model.freeze
        # The last axis is that of the channels: the rows of a window are contiguous.
        channels = networks.generator.begin_channels if frozen else 3
        self._shapes = {
            "low": ((self.pairs, side // self._scale, side // self._scale, channels),
                    torch.bfloat16 if frozen else torch.uint8),
            "high": ((self.pairs, side, side, 3), torch.uint8),
        }  # fmt: skip
        self.bytes = sum(math.prod(shape) * dtype.itemsize for shape, dtype in self._shapes.values())
        self._order = lru_cache(maxsize=2)(self._draw_order)
        self._maps: list[Tensor] = []

    def prepare(self, data: DataSet, degradation: DegradationMixture, fabric: Fabric, workers: int) -> Iterator[int]:
        """Store what is not stored yet.

        Args:
            data: The training pictures.
            degradation: Makes LR crops where none are stored.
            fabric: Device and precision.
            workers: Processes that read and degrade, unless the recipe says it.

        Yields:
            How many crops are stored, from time to time.

        Raises:
            ResourceError: The disk is too small, or more is needed than the recipe allows.
        """
        key = self._key(data, degradation, fabric)
        done = self._done(key)
        yield done
        if done == self.pairs:
            return
        self._check_room(done)
        recipe = self._recipe
        whole = recipe.replaced(
            data=recipe.data.replaced(crop=recipe.data.read_crop, outer_crop=None),
            train=recipe.train.replaced(batch_size=_AT_ONCE, accumulate=1),
        )
        note = self._folder / _NOTE
        if not done:
            note.unlink(missing_ok=True)  # what it counts is overwritten
        batches = Loader(data, whole, degradation, self._scale, workers=workers).batches(done // _AT_ONCE)
        maps = self._opened()
        try:
            while done < self.pairs:
                found = self._computed(next(batches), fabric)
                places = slice(done, min(done + _AT_ONCE, self.pairs))
                for stored, crops in zip(maps, found, strict=True):
                    stored[places] = crops[: places.stop - done].permute(0, 2, 3, 1).cpu()
                done = places.stop
                if done == self.pairs or done % _NOTED == 0:
                    with replacing(note) as part:
                        part.write_text(json.dumps({"key": key, "crops": done}))
                    yield done
        finally:
            batches.close()

    def batches(self, start: int, *, pinned: bool = False) -> Yielding[Batch, None, None]:
        """The batches from iteration `start` on, without an end; the arguments are those of `Loader.batches`."""
        for iteration in count(start):
            first = iteration * self._recipe.train.batch_size + self._first
            low, high, turns = zip(*(self._window(n) for n in range(first, first + self._share)), strict=True)
            lows, highs = (torch.stack(crops).permute(0, 3, 1, 2) for crops in (low, high))
            if pinned:
                lows, highs = lows.pin_memory(), highs.pin_memory()
            yield Batch(lows, highs, (None,) * len(low), ((0, 0),) * len(low), finished=True, turns=turns)

    def _computed(self, batch: Batch, fabric: Fabric) -> tuple[Tensor, Tensor]:
        """LR or features, and HR or the teacher's results, as they are stored."""
        low, high = batch.low, batch.high
        x, _ = to_tensors(batch, high.shape[2], fabric.device)
        with torch.no_grad(), fabric.autocast():
            if self._networks.teacher is not None:
                result = self._networks.teacher.to(fabric.device)(x)
                high = (result.float().clamp(0, 1) * 255).round().byte()
            if self._recipe.model.freeze:
                low = self._networks.generator.begin(x, self._recipe.model.freeze).bfloat16()
        return low, high

    def _window(self, number: int) -> tuple[Tensor, Tensor, int]:
        """LR or features of a window, HR crop of its core, and the turn in which the losses see it."""
        data, scale, halo, seed = self._recipe.data, self._scale, self._halo, self._recipe.train.seed
        low, high = self._maps or self._opened()
        epoch, place = divmod(number, self.pairs)
        pair = self._order(epoch)[place]
        generator = Generator().manual_seed(seed_of(seed, str(number), "window"))
        side = data.crop // scale + 2 * halo
        room = low.shape[1] - side + 1
        top, left, turn = (int(torch.randint(0, n, (), generator=generator)) for n in (room, room, 8))
        y, x = scale * (top + halo), scale * (left + halo)
        window, core = low[pair, top : top + side, left : left + side], high[pair, y : y + data.crop, x : x + data.crop]
        return window.clone(), core.clone(), turn if data.augment else 0

    def _draw_order(self, epoch: int) -> list[int]:
        generator = Generator().manual_seed(seed_of(self._recipe.train.seed, str(epoch), "order of windows"))
        found: list[int] = torch.randperm(self.pairs, generator=generator).tolist()
        return found

    def _opened(self) -> list[Tensor]:
        """The stored crops, mapped into memory."""
        self._maps = [
            torch.from_file(str(self._folder / name), shared=True, size=math.prod(shape), dtype=dtype).view(shape)
            for name, (shape, dtype) in self._shapes.items()
        ]
        return self._maps

    def _check_room(self, done: int) -> None:
        assert self._recipe.stored is not None
        limit = self._recipe.stored.disk
        needed = (
            f"{counted(self.pairs, 'stored crop')} of {self._recipe.data.read_crop} pixels take {file_size(self.bytes)}"
        )
        if self.bytes > limit * 1e9:
            raise ResourceError(f"{needed}, more than stored.disk allows ({limit:g} GB): use fewer stored.pairs")
        self._folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._folder).free
        if not done and free < self.bytes:
            raise ResourceError(f"{self._folder}: {needed}, {file_size(free)} are free: use fewer stored.pairs")

    def _done(self, key: str) -> int:
        """How many crops are stored under this key."""
        try:
            stored = json.loads((self._folder / _NOTE).read_text())
            return int(stored["crops"]) if stored["key"] == key else 0
        except (OSError, ValueError, KeyError):
            return 0

    def _key(self, data: DataSet, degradation: DegradationMixture, fabric: Fabric) -> str:
        """A digest of everything that the stored crops depend on."""
        recipe, networks = self._recipe, self._networks
        digest = hashlib.sha256()
        fixed = [p for p in networks.generator.parameters() if not p.requires_grad]
        for parameter in [*fixed, *([] if networks.teacher is None else networks.teacher.parameters())]:
            digest.update(parameter.detach().float().cpu().contiguous().numpy().tobytes())
        recipes = [found.model_dump(exclude={"description"}) for found in degradation.recipes]
        parts = (
            data.digest, degradation.shares, recipes,
            recipe.train.seed, recipe.data.augment, recipe.model.freeze, self._shapes,
            type(fabric.strategy.precision).__name__, fabric.device.type,
        )  # fmt: skip
        digest.update(repr(parts).encode())
        return digest.hexdigest()
