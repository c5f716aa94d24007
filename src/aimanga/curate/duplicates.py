"""Near-duplicates: copies of one photo, and photos of one scene, found by small gray thumbnails.

First come candidates: pictures whose coarse structure is alike, also where one was cropped, by a search tree. Then each
pair of candidates is laid one upon the other, and the fine structure is compared where they overlap.

Source: J. Bentley, "Multidimensional binary search trees used for associative searching", CACM 18(9), 1975 (the tree).
"""

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from aimanga.curate.alignment import DUPLICATE, coarsely, finely, weights

SIDE = 48
"""Side of a thumbnail: the luma of a whole picture squeezed into a square by area averaging.

With 32 more photos are taken for one another; 96 finds no more copies than 48.
"""

SCENE = 0.4
"""Photos of one scene are at least this alike.

Chosen on bursts made of the same photos: moved by up to a fifth of the frame, turned by 2 degrees, of another tone. Of
their pairs 90 % were found at 0.4 (98 % where nothing was turned), and no two of the 341 photos were taken for one
scene, which begins below 0.35.
"""

# What a view leaves out at the two ends of an axis, in shares of it; in all combinations of both axes. Copies may lack
# a tenth at each end: what lies between these is near enough for the search.
_CUTS = ((0.0, 0.0), (0.0, 0.1), (0.1, 0.0), (0.06, 0.06))
_VIEWS = np.array([[[low, 1 - high] for low, high in cuts] for cuts in product(_CUTS, _CUTS)], np.float32)
_VIEW_GRID = 24
_HIGHEST = 4  # half-waves a side by which a view is described
_PLAIN = 6.0  # length of the description of a quarter of a gray level of contrast, which may be rounding
_PLACES, _NEIGHBOURS = 96, 16  # the nearest views that are searched, and the pictures that are then compared at most
_CROWD = 4  # so many copies might be all that the search for one of them finds

_PAIRS_AT_ONCE = 256
_HOPELESS = 0.3  # the likeness at the coarse resolution, where all are more alike

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Likeness:
    """How much two pictures are alike.

    Attributes:
        first: The number of a picture.
        second: That of another one, greater.
        likeness: 0 to 1.
    """

    first: int
    second: int
    likeness: float


class Groups(TypedDict):
    """What a picture belongs to.

    Attributes:
        group: The number of its group of copies of one photo; None where there is no other copy.
        scene: The number of its scene; None where no other picture shows it.
    """

    group: int | None
    scene: int | None


class _Links(NamedTuple):
    """Pairs of thumbnails that are alike; the first number of a pair is the smaller one."""

    first: Numbers
    second: Numbers
    likeness: Floats


class _Candidates(NamedTuple):
    """Pairs of thumbnails that may be alike: `whole`, all of it, looks like a view of `viewed`."""

    whole: Numbers
    viewed: Numbers
    view: Numbers


def likenesses(thumbnails: Bytes) -> list[Likeness]:
    """Find the pictures that are alike.

    Args:
        thumbnails: N x 48 x 48.

    Returns:
        Pairs that are alike by `SCENE` or more, sorted. Of pictures with the same thumbnail the first one stands for
        all; each of the others is paired with it alone.
    """
    distinct, which = _distinct(thumbnails)
    _, stands = np.unique(which, return_index=True)
    found = [Likeness(int(stands[place]), i, 1.0) for i, place in enumerate(which) if stands[place] != i]
    links = _links(distinct)
    ends = np.sort(np.stack([stands[links.first], stands[links.second]], 1), axis=1)
    for (first, second), likeness in zip(ends.tolist(), links.likeness.tolist(), strict=True):
        found.append(Likeness(first, second, round(likeness, 4)))
    return sorted(found, key=lambda pair: (pair.first, pair.second))


def find_groups(thumbnails: Bytes) -> list[Groups]:
    """Find the copies of one photo, and the photos of one scene.

    What copies of copies link is one group. A scene is a group, or a picture, together with those that are like it: no
    chain of pictures, each a little like the next, becomes one. A group lies within one scene.

    Args:
        thumbnails: N x 48 x 48.

    Returns:
        For each picture what it belongs to; the numbers count from 0, in the order in which pictures first have them.
        But for these numbers the order of the pictures changes nothing.
    """
    distinct, which = _distinct(thumbnails)
    links = _links(distinct)
    groups = _copies(links, len(distinct))
    scenes = _scenes(links, groups)
    numbers = zip(_numbered(groups[which]), _numbered(scenes[which]), strict=True)
    return [Groups(group=group, scene=scene) for group, scene in numbers]


def _distinct(thumbnails: Bytes) -> tuple[Bytes, Numbers]:
    """The thumbnails without repetitions, in an order that depends on nothing else; and where each picture's own is."""
    rows = np.reshape(thumbnails, (len(thumbnails), SIDE * SIDE))
    distinct, which = np.unique(rows, axis=0, return_inverse=True)
    return distinct.reshape(-1, SIDE, SIDE), which.ravel()


def _numbered(labels: Numbers) -> list[int | None]:
    """Labels as numbers from 0 on, in the order in which they appear; None for one that appears only once."""
    _, first, inverse, counts = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    several = np.flatnonzero(counts > 1)
    numbers: list[int | None] = [None] * len(counts)
    for number, label in enumerate(several[np.argsort(first[several])]):
        numbers[label] = number
    return [numbers[label] for label in inverse]


def _copies(links: _Links, count: int) -> Numbers:
    """For each thumbnail its group: 0, 1, ..."""
    alike = links.likeness >= DUPLICATE
    graph = coo_array((np.ones(alike.sum()), (links.first[alike], links.second[alike])), (count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _scenes(links: _Links, groups: Numbers) -> Numbers:
    """For each thumbnail its scene, which has the number of the group in its middle.

    The group that is like the most others is the first to gather them, then the next of what is left.
    """
    near: dict[int, set[int]] = {}
    for one, other in zip(groups[links.first].tolist(), groups[links.second].tolist(), strict=True):
        if one != other:
            near.setdefault(one, set()).add(other)
            near.setdefault(other, set()).add(one)
    scenes = np.arange(len(groups))
    free = set(near)
    for middle in sorted(near, key=lambda group: (-len(near[group]), group)):
        if middle in free:
            members = near[middle] & free | {middle}
            scenes[list(members)] = middle
            free -= members
    return scenes[groups]


def _links(thumbnails: Bytes) -> _Links:
    """Find the pairs that are alike by `SCENE` or more."""
    count = len(thumbnails)
    views = _views(thumbnails)
    known = np.empty(0, np.int64)
    links = _Links(known, known, np.empty(0, np.float32))
    asked = among = groups = np.arange(count)
    while len(asked):
        candidates, pairs = _candidates(views, asked, among)
        new = ~np.isin(pairs, known)
        known = np.concatenate([known, pairs[new]])
        more = _compared(thumbnails, _Candidates(*(numbers[new] for numbers in candidates)))
        links = _Links(
            np.concatenate([links.first, more.first]),
            np.concatenate([links.second, more.second]),
            np.concatenate([links.likeness, more.likeness]),
        )
        before, groups = groups.max(), _copies(links, count)
        if groups.max() == before:
            break
        # Many copies find nothing but one another. So one of them asks for all, and among such as stand for their
        # groups, until no more groups turn out to be one.
        among = _middles(links, groups)
        asked = among[np.bincount(groups) >= _CROWD]
    return links


def _middles(links: _Links, groups: Numbers) -> Numbers:
    """For each group the thumbnail that is most like the others."""
    inside = groups[links.first] == groups[links.second]
    ends = np.concatenate([links.first[inside], links.second[inside]])
    alike = np.bincount(ends, np.tile(links.likeness[inside], 2), len(groups)).round(3)
    order = np.lexsort((-alike, groups))
    return np.asarray(order[np.unique(groups[order], return_index=True)[1]])


def _views(thumbnails: Bytes) -> Floats:
    """The coarse structure of pictures, whole and cropped: their lowest frequencies, whatever their contrast.

    Returns:
        N x views x numbers; the first view is the whole picture.
    """
    frequency, place = np.arange(_HIGHEST + 1)[:, None], np.arange(_VIEW_GRID) + 0.5
    waves = np.cos(np.pi * frequency * place / _VIEW_GRID) * np.sqrt(np.where(frequency > 0, 2, 1) / _VIEW_GRID)
    radius = np.hypot(frequency, frequency.T)
    used = (radius > 0) & (radius <= _HIGHEST)
    # The power of photos falls with the square of the frequency; half of that is made up for.
    emphasis = np.sqrt(radius[used]).astype(np.float32)
    down, across = ((waves @ weights(_VIEWS[:, axis], SIDE, _VIEW_GRID)).astype(np.float32) for axis in (0, 1))
    views = np.empty((len(thumbnails), len(_VIEWS), len(emphasis)), np.float32)
    for start in range(0, len(thumbnails), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        levels = thumbnails[part].astype(np.float32)
        for view in range(len(_VIEWS)):
            views[part, view] = (down[view] @ levels @ across[view].T)[:, used] * emphasis
    return np.asarray(views / np.linalg.norm(views, axis=2, keepdims=True).clip(_PLAIN))


def _candidates(views: Floats, asked: Numbers, among: Numbers) -> tuple[_Candidates, Numbers]:
    """Search the neighbours of some pictures among others.

    Returns:
        Each pair once, with the view that is nearest; and for each pair a number that no other pair has.
    """
    count, each, size = views.shape
    tree = cKDTree(views[among].reshape(-1, size))
    distance, point = tree.query(views[asked, 0], k=np.arange(1, min(_PLACES, tree.n) + 1))
    row = np.repeat(np.arange(len(asked)), point.shape[1])
    whole, viewed = asked[row], among[point // each].ravel()
    # Points come by their distance: so the first of a picture is its nearest view, and the first pictures are nearest.
    nearest = np.sort(np.unique(whole * count + viewed, return_index=True)[1])
    nearest = nearest[whole[nearest] != viewed[nearest]]
    place = np.arange(len(nearest)) - np.searchsorted(row[nearest], row[nearest])
    nearest = nearest[place < _NEIGHBOURS]
    # Of two pictures that both look like a view of the other one, the better view counts.
    pairs = np.minimum(whole, viewed) * count + np.maximum(whole, viewed)
    nearest = nearest[np.lexsort((whole[nearest], distance.ravel()[nearest]))]
    pairs, first = np.unique(pairs[nearest], return_index=True)
    nearest = nearest[first]
    return _Candidates(whole[nearest], viewed[nearest], point.ravel()[nearest] % each), pairs


def _compared(thumbnails: Bytes, candidates: _Candidates) -> _Links:
    """Align pairs, and keep those that are alike by `SCENE` or more."""
    halves = _halved(thumbnails)
    likeness = np.zeros(len(candidates.whole), np.float32)
    for start in range(0, len(likeness), _PAIRS_AT_ONCE):
        whole, viewed, view = (numbers[start : start + _PAIRS_AT_ONCE] for numbers in candidates)
        # Where the view leads astray, the whole picture may not.
        starts = (coarsely(halves[whole], halves[viewed], _VIEWS[numbers]) for numbers in (view, np.zeros_like(view)))
        (borders, alike), (others, others_alike) = starts
        borders = np.where((alike >= others_alike)[:, None, None], borders, others)
        left = np.flatnonzero(np.maximum(alike, others_alike) >= _HOPELESS)
        one, other = (thumbnails[numbers[left]].astype(np.float32) for numbers in (whole, viewed))
        likeness[start + left] = finely(one, other, borders[left])
    found = likeness >= SCENE
    ends = candidates.whole[found], candidates.viewed[found]
    return _Links(np.minimum(*ends), np.maximum(*ends), likeness[found])


def _halved(thumbnails: Bytes) -> Floats:
    halves = np.zeros((len(thumbnails), SIDE // 2, SIDE // 2), np.float32)
    for down, across in product(range(2), repeat=2):
        halves += thumbnails[:, down::2, across::2]
    halves /= 4
    return halves
