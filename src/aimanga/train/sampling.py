"""Which picture each sample is of: a function of the sample's number, so that a training can resume anywhere.

In an epoch each source has samples in proportion to its weight, and the source that is largest for its weight has each
of its pictures once. The order of the sources is drawn for each epoch, the order of a source's pictures for each pass
through them.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch

from aimanga.hashing import seed_of
from aimanga.train.sources import Item, PictureSet


class Sampler:
    """The order of the pictures.

    Args:
        sets: The pictures; none of the sets is empty.
        seed: Determines the order.

    Attributes:
        epoch: The number of samples of an epoch.
    """

    def __init__(self, sets: Sequence[PictureSet], seed: int) -> None:
        self._items = [found.items for found in sets]
        self._seed = seed
        largest = max(len(found.items) / found.weight for found in sets)
        self._shares = [max(1, round(found.weight * largest)) for found in sets]
        self.epoch = sum(self._shares)
        # The current epoch, and the current pass through each source.
        self._order = lru_cache(maxsize=2)(self._draw_order)
        self._permutation = lru_cache(maxsize=2 * len(sets))(self._draw_permutation)

    def item(self, number: int) -> Item:
        """The picture of a sample; numbers start at 0."""
        epoch, place = divmod(number, self.epoch)
        source, before = self._order(epoch)[place]
        items = self._items[source]
        run, index = divmod(epoch * self._shares[source] + before, len(items))
        return items[self._permutation(source, run)[index]]

    def _draw_order(self, epoch: int) -> list[tuple[int, int]]:
        """The source of each place in an epoch, and how many places before it have the same source."""
        sources = torch.repeat_interleave(torch.tensor(self._shares))
        shuffled = sources[_permutation(len(sources), seed_of(self._seed, f"{epoch}", "order of sources"))].tolist()
        counts = [0] * len(self._shares)
        order = []
        for source in shuffled:
            order.append((source, counts[source]))
            counts[source] += 1
        return order

    def _draw_permutation(self, source: int, run: int) -> list[int]:
        seed = seed_of(self._seed, f"{source} {run}", "order of pictures")
        return _permutation(len(self._items[source]), seed).tolist()


def _permutation(length: int, seed: int) -> torch.Tensor:
    return torch.randperm(length, generator=torch.Generator().manual_seed(seed))
