"""Which picture is seen when: a function of the number of the sample, so a training can go on from any.

An epoch is as many samples as it takes to see every picture of one source once, of the one that is the largest for its
weight; in it each source has as many as its weight says. The order of the sources is drawn for each epoch, and that of
its pictures for each time that a source has been seen whole.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch

from aimanga.hashing import seed_of
from aimanga.train.sources import Item, PictureSet


class Sampler:
    """The order in which pictures are seen.

    Args:
        sets: The pictures; none is empty.
        seed: What the order follows from.
    """

    def __init__(self, sets: Sequence[PictureSet], seed: int) -> None:
        self._items = [found.items for found in sets]
        self._seed = seed
        largest = max(len(found.items) / found.weight for found in sets)
        self._shares = [max(1, round(found.weight * largest)) for found in sets]
        self.epoch = sum(self._shares)
        # The epoch at work, and for each source the time at which it is seen.
        self._order = lru_cache(maxsize=2)(self._draw_order)
        self._permutation = lru_cache(maxsize=2 * len(sets))(self._draw_permutation)

    def item(self, number: int) -> Item:
        """The picture of the sample of this number, from 0."""
        epoch, place = divmod(number, self.epoch)
        source, before = self._order(epoch)[place]
        items = self._items[source]
        time, index = divmod(epoch * self._shares[source] + before, len(items))
        return items[self._permutation(source, time)[index]]

    def _draw_order(self, epoch: int) -> list[tuple[int, int]]:
        """For each place of an epoch its source, and how many places before it have the same one."""
        sources = torch.repeat_interleave(torch.tensor(self._shares))
        shuffled = sources[_permutation(len(sources), seed_of(self._seed, f"{epoch}", "order of sources"))].tolist()
        seen = [0] * len(self._shares)
        order = []
        for source in shuffled:
            order.append((source, seen[source]))
            seen[source] += 1
        return order

    def _draw_permutation(self, source: int, time: int) -> list[int]:
        seed = seed_of(self._seed, f"{source} {time}", "order of pictures")
        return _permutation(len(self._items[source]), seed).tolist()


def _permutation(length: int, seed: int) -> torch.Tensor:
    return torch.randperm(length, generator=torch.Generator().manual_seed(seed))
