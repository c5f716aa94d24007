"""Near-duplicates: copies of one photo, and photos of one scene, found by small gray thumbnails.

A k-d tree finds candidates: pairs of similar coarse structure, even where one of them was cropped. Each pair of
candidates is then aligned, and its fine structure is compared where the two overlap.

Source: J. Bentley, "Multidimensional binary search trees used for associative searching", CACM 18(9), 1975 (the tree).
"""

from itertools import product
from typing import NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from aimanga.curate.alignment import DUPLICATE, align_coarse, fine_similarity, weights

SIDE = 48
"""Side of a thumbnail: the luma of the whole picture, resized to 48 x 48 by area averaging.

With 32 more photos are confused; 96 finds no more copies than 48.
"""

SCENE = 0.4
"""Photos of one scene have at least this similarity.

Chosen on synthetic bursts of the same photos: shifted by up to a fifth of the frame, rotated by 2 degrees, with another
tone. At 0.4, 90 % of their pairs are found (98 % without rotation), and no two of the 341 photos are taken for one
scene; that begins below 0.35.
"""

# The shares that a view crops off at the two ends of an axis, in all combinations of both axes. Copies may lack a tenth
# at each end; the search finds what lies between these, too.
_CUTS = ((0.0, 0.0), (0.0, 0.1), (0.1, 0.0), (0.06, 0.06))
_VIEWS = np.array([[[low, 1 - high] for low, high in cuts] for cuts in product(_CUTS, _CUTS)], np.float32)
_VIEW_GRID = 24
_HIGHEST = 4  # highest frequency of a view's descriptor, in half-waves a side
_PLAIN = 6.0  # norm of a descriptor of a quarter of a gray level of contrast, which may be rounding
_PLACES, _NEIGHBOURS = 96, 16  # nearest views to look up, and pictures to compare at most
_CROWD = 4  # copies that may fill all places of a lookup

_PAIRS_AT_ONCE = 256
_HOPELESS = 0.3  # similarity at the coarse resolution, where all pictures are more similar

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


class Groups(TypedDict):
    """The group and the scene of a picture.

    Attributes:
        group: The number of its group of copies of one photo; None where it is the only one.
        scene: The number of its scene; None where no other picture shows it.
    """

    group: int | None
    scene: int | None


class _Links(NamedTuple):
    """Pairs of similar thumbnails, first < second."""

    first: Numbers
    second: Numbers
    similarity: Floats


class _Candidates(NamedTuple):
    """Pairs of thumbnails that may be similar: `whole` as a whole is near a view of `viewed`."""

    whole: Numbers
    viewed: Numbers
    view: Numbers


def find_groups(thumbnails: Bytes) -> list[Groups]:
    """Find the copies of one photo, and the photos of one scene.

    Copies of copies belong to one group. A scene is a group, or a picture, with the pictures that are similar to it: a
    chain of pictures, each a little similar to the next, does not become one. A group lies within one scene.

    Args:
        thumbnails: N x 48 x 48.

    Returns:
        The group and the scene of each picture, numbered from 0 in the order of their first pictures. Otherwise the
        order of the pictures changes nothing.
    """
    distinct, which = _distinct(thumbnails)
    links = _links(distinct)
    groups = _copies(links, len(distinct))
    scenes = _scenes(links, groups)
    numbers = zip(_numbered(groups[which]), _numbered(scenes[which]), strict=True)
    return [Groups(group=group, scene=scene) for group, scene in numbers]


def _distinct(thumbnails: Bytes) -> tuple[Bytes, Numbers]:
    """The distinct thumbnails in an order of their own, and the index of each picture's."""
    rows = np.reshape(thumbnails, (len(thumbnails), SIDE * SIDE))
    distinct, which = np.unique(rows, axis=0, return_inverse=True)
    return distinct.reshape(-1, SIDE, SIDE), which.ravel()


def _numbered(labels: Numbers) -> list[int | None]:
    """Labels numbered from 0 in the order in which they appear; None for one that appears only once."""
    _, first, inverse, counts = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    several = np.flatnonzero(counts > 1)
    numbers: list[int | None] = [None] * len(counts)
    for number, label in enumerate(several[np.argsort(first[several])]):
        numbers[label] = number
    return [numbers[label] for label in inverse]


def _copies(links: _Links, count: int) -> Numbers:
    """The group of each thumbnail: 0, 1, ..."""
    similar = links.similarity >= DUPLICATE
    graph = coo_array((np.ones(similar.sum()), (links.first[similar], links.second[similar])), (count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _scenes(links: _Links, groups: Numbers) -> Numbers:
    """The scene of each thumbnail, numbered as the group in its middle.

    Greedy: the group with the most similar others gathers them first, then the next among those left.
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
    """Find the pairs with a similarity of `SCENE` or more."""
    count = len(thumbnails)
    views = _views(thumbnails)
    known = np.empty(0, np.int64)
    links = _Links(known, known, np.empty(0, np.float32))
    queries = among = groups = np.arange(count)
    while len(queries):
        candidates, pairs = _candidates(views, queries, among)
        new = ~np.isin(pairs, known)
        known = np.concatenate([known, pairs[new]])
        more = _compared(thumbnails, _Candidates(*(numbers[new] for numbers in candidates)))
        links = _Links(
            np.concatenate([links.first, more.first]),
            np.concatenate([links.second, more.second]),
            np.concatenate([links.similarity, more.similarity]),
        )
        before, groups = groups.max(), _copies(links, count)
        if groups.max() == before:
            break
        # Many copies find only one another. So one picture of each group looks up those of the other groups, until no
        # more groups are joined.
        among = _middles(links, groups)
        queries = among[np.bincount(groups) >= _CROWD]
    return links


def _middles(links: _Links, groups: Numbers) -> Numbers:
    """The thumbnail of each group that is most similar to the others."""
    inside = groups[links.first] == groups[links.second]
    ends = np.concatenate([links.first[inside], links.second[inside]])
    similar = np.bincount(ends, np.tile(links.similarity[inside], 2), len(groups)).round(3)
    order = np.lexsort((-similar, groups))
    return np.asarray(order[np.unique(groups[order], return_index=True)[1]])


def _views(thumbnails: Bytes) -> Floats:
    """Descriptors of pictures, whole and cropped: their lowest frequencies (cosine transform), of norm 1.

    Returns:
        N x views x numbers; the first view is the whole picture.
    """
    frequency, place = np.arange(_HIGHEST + 1)[:, None], np.arange(_VIEW_GRID) + 0.5
    waves = np.cos(np.pi * frequency * place / _VIEW_GRID) * np.sqrt(np.where(frequency > 0, 2, 1) / _VIEW_GRID)
    radius = np.hypot(frequency, frequency.T)
    used = (radius > 0) & (radius <= _HIGHEST)
    # The power of photos falls with the square of the frequency: compensate half of it.
    emphasis = np.sqrt(radius[used]).astype(np.float32)
    down, across = ((waves @ weights(_VIEWS[:, axis], SIDE, _VIEW_GRID)).astype(np.float32) for axis in (0, 1))
    views = np.empty((len(thumbnails), len(_VIEWS), len(emphasis)), np.float32)
    for start in range(0, len(thumbnails), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        levels = thumbnails[part].astype(np.float32)
        for view in range(len(_VIEWS)):
            views[part, view] = (down[view] @ levels @ across[view].T)[:, used] * emphasis
    return np.asarray(views / np.linalg.norm(views, axis=2, keepdims=True).clip(_PLAIN))


def _candidates(views: Floats, queries: Numbers, among: Numbers) -> tuple[_Candidates, Numbers]:
    """Look up the nearest neighbours of some pictures among others.

    Returns:
        Each pair once, with the nearest view; and a number for each pair that no other pair has.
    """
    count, each, size = views.shape
    tree = cKDTree(views[among].reshape(-1, size))
    distance, point = tree.query(views[queries, 0], k=np.arange(1, min(_PLACES, tree.n) + 1))
    row = np.repeat(np.arange(len(queries)), point.shape[1])
    whole, viewed = queries[row], among[point // each].ravel()
    # Points are sorted by distance: the first of a picture is its nearest view, and the first pictures are nearest.
    nearest = np.sort(np.unique(whole * count + viewed, return_index=True)[1])
    nearest = nearest[whole[nearest] != viewed[nearest]]
    place = np.arange(len(nearest)) - np.searchsorted(row[nearest], row[nearest])
    nearest = nearest[place < _NEIGHBOURS]
    # Where each of two pictures is near a view of the other, the nearer view counts.
    pairs = np.minimum(whole, viewed) * count + np.maximum(whole, viewed)
    nearest = nearest[np.lexsort((whole[nearest], distance.ravel()[nearest]))]
    pairs, first = np.unique(pairs[nearest], return_index=True)
    nearest = nearest[first]
    return _Candidates(whole[nearest], viewed[nearest], point.ravel()[nearest] % each), pairs


def _compared(thumbnails: Bytes, candidates: _Candidates) -> _Links:
    """Align pairs, and keep those with a similarity of `SCENE` or more."""
    halves = _halved(thumbnails)
    similarity = np.zeros(len(candidates.whole), np.float32)
    for start in range(0, len(similarity), _PAIRS_AT_ONCE):
        whole, viewed, view = (numbers[start : start + _PAIRS_AT_ONCE] for numbers in candidates)
        # Where the view is a bad start, the whole picture may be a good one.
        borders, similar = align_coarse(halves[whole], halves[viewed], _VIEWS[view])
        others, others_similar = align_coarse(halves[whole], halves[viewed], _VIEWS[np.zeros_like(view)])
        borders = np.where((similar >= others_similar)[:, None, None], borders, others)
        left = np.flatnonzero(np.maximum(similar, others_similar) >= _HOPELESS)
        one, other = (thumbnails[numbers[left]].astype(np.float32) for numbers in (whole, viewed))
        similarity[start + left] = fine_similarity(one, other, borders[left])
    found = similarity >= SCENE
    ends = candidates.whole[found], candidates.viewed[found]
    return _Links(np.minimum(*ends), np.maximum(*ends), similarity[found])


def _halved(thumbnails: Bytes) -> Floats:
    halves = np.zeros((len(thumbnails), SIDE // 2, SIDE // 2), np.float32)
    for down, across in product(range(2), repeat=2):
        halves += thumbnails[:, down::2, across::2]
    halves /= 4
    return halves
