"""Near-duplicates: copies of one photo, and photos of one scene, found by small gray thumbnails.

First come candidates: pictures whose coarse structure is alike, also where one was cropped, by a search tree. Then each
pair of candidates is laid one upon the other, and the fine structure is compared where they overlap.

Sources: J. Bentley, "Multidimensional binary search trees used for associative searching", CACM 18(9), 1975 (the tree);
B. Lucas, T. Kanade, "An iterative image registration technique with an application to stereo vision", IJCAI 1981 (the
alignment; here the borders of a picture are what is sought, and that they have not moved far is known beforehand).
"""

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

SIDE = 48
"""Side of a thumbnail: the luma of a whole picture squeezed into a square by area averaging."""

DUPLICATE = 0.55
"""Copies of one photo are at least this alike."""

SCENE = 0.4
"""Photos of one scene are at least this alike."""

# What a view leaves out at the two ends of an axis, in shares of it: in all combinations of both axes. Copies may lack a
# tenth at each end; what lies between these is near enough for the search.
_CUTS = ((0.0, 0.0), (0.0, 0.1), (0.1, 0.0), (0.06, 0.06))
_VIEWS = tuple(product(_CUTS, _CUTS))
_VIEW_GRID = 24
_HIGHEST = 4  # half-waves a side that a view is described by
_PLAIN_VIEW = 6.0  # the length of a description at a quarter of a gray level of contrast: below that it is rounding
_NEIGHBOURS = 96  # places in a list of neighbours; a picture takes up to 16 of them, one a view
_CROWD = 4  # copies so many might fill the lists of one another

_PAIRS_AT_ONCE = 256
_COARSE_GRID, _COARSE_STEPS = 12, 4
_FINE_GRID, _FINE_STEPS = 32, 6
_HOPELESS = 0.3  # likeness after the coarse alignment

# Of the alignment. Borders move by 5 % of a side or so: enough to hold them where nothing but noise would move them.
_NOISE, _MOVE = 2.0, 0.05
_LONGEST_STEP = 0.06
_MOST_SCALE, _MOST_SHIFT = 1.32, 0.22

_WEAK = 2.0  # gray levels: differences of neighbours that are less count less
_ROUNDING = 0.1  # of these: what proves nothing
_UNLIKE = 2.0  # gray levels: pictures without detail that differ by as much have nothing in common
_COPY_OVERLAP = 0.74  # of copies that were cropped by a tenth at each end, 0.8 is shared; the alignment errs

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
    """Pairs of thumbnails, and how much they are alike; the first number of a pair is the smaller one."""

    first: Numbers
    second: Numbers
    likeness: Floats


class _Candidates(NamedTuple):
    """Pairs that may be alike: `whole`, all of it, looks like a view of `viewed`."""

    whole: Numbers
    viewed: Numbers
    view: Numbers


def likenesses(thumbnails: Bytes) -> list[Likeness]:
    """Find the pictures that are alike.

    Args:
        thumbnails: N x 48 x 48.

    Returns:
        Pairs that are alike by `SCENE` or more, sorted. Of pictures with the same thumbnail the first one stands for
        all, each of the others is paired with it alone.
    """
    distinct, which = _distinct(thumbnails)
    stands = np.full(len(distinct), len(which), np.int64)
    np.minimum.at(stands, which, np.arange(len(which)))
    same = [Likeness(int(stands[place]), number, 1.0) for number, place in enumerate(which) if stands[place] != number]
    links = _links(distinct)
    found = zip(stands[links.first].tolist(), stands[links.second].tolist(), links.likeness.tolist(), strict=True)
    return sorted(
        same + [Likeness(min(one, other), max(one, other), likeness) for one, other, likeness in found],
        key=lambda pair: (pair.first, pair.second),
    )


def find_groups(thumbnails: Bytes) -> list[Groups]:
    """Find the copies of one photo, and the photos of one scene.

    Whatever is linked by copies of copies is one group. A scene is a group, or a picture, together with all that are
    like it: no chain of pictures, each a little like the next, becomes one.

    Args:
        thumbnails: N x 48 x 48.

    Returns:
        For each picture what it belongs to; numbers in the order of the first pictures. A group lies within one scene.
        The order of the pictures changes nothing but the numbers.
    """
    distinct, which = _distinct(thumbnails)
    links = _links(distinct)
    groups = _copies(links, len(distinct))
    scenes = _scenes(links, groups)
    return [
        Groups(group=group, scene=scene)
        for group, scene in zip(_numbered(groups[which]), _numbered(scenes[groups[which]]), strict=True)
    ]


def _numbered(labels: Numbers) -> list[int | None]:
    """Labels as numbers from 0 on, in the order in which they appear; None for a label that appears once."""
    _, first, inverse, counts = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first[counts > 1])
    numbers = np.full(len(counts), -1)
    numbers[np.flatnonzero(counts > 1)[order]] = np.arange(len(order))
    return [int(number) if number >= 0 else None for number in numbers[inverse]]


def _distinct(thumbnails: Bytes) -> tuple[Bytes, Numbers]:
    """The thumbnails without repetition, in an order that depends on them alone; and for each picture which is its own."""
    rows = np.ascontiguousarray(thumbnails).reshape(len(thumbnails), SIDE * SIDE)
    distinct, which = np.unique(rows, axis=0, return_inverse=True)
    return distinct.reshape(-1, SIDE, SIDE), which.astype(np.int64).ravel()


def _copies(links: _Links, count: int) -> Numbers:
    """For each thumbnail the number of its group."""
    alike = links.likeness >= DUPLICATE
    edges = coo_array((np.ones(alike.sum()), (links.first[alike], links.second[alike])), (count, count))
    return connected_components(edges, directed=False)[1].astype(np.int64)


def _scenes(links: _Links, groups: Numbers) -> Numbers:
    """For each group the number of the group whose scene it belongs to: the one with the most others around it first."""
    one, other = groups[links.first], groups[links.second]
    near: dict[int, set[int]] = {}
    for first, second in zip(one.tolist(), other.tolist(), strict=True):
        if first != second:
            near.setdefault(first, set()).add(second)
            near.setdefault(second, set()).add(first)
    scenes = np.arange(groups.max(initial=-1) + 1)
    free = set(near)
    for middle in sorted(near, key=lambda group: (-len(near[group]), group)):
        if middle in free:
            members = near[middle] & free | {middle}
            scenes[list(members)] = middle
            free -= members
    return scenes


def _links(thumbnails: Bytes) -> _Links:
    """Compare all that may be alike: the pairs that are, by `SCENE` or more."""
    count = len(thumbnails)
    views = _views(thumbnails)
    everything = np.arange(count)
    asked, among = everything, everything
    known = np.empty(0, np.int64)
    links = _Links(known, known, np.empty(0, np.float32))
    groups = everything
    while asked.size:
        candidates, keys = _candidates(views, asked, among)
        new = ~np.isin(keys, known)
        known = np.concatenate([known, keys[new]])
        found = _compared(thumbnails, _Candidates(*(numbers[new] for numbers in candidates)))
        links = _Links(*(np.concatenate(parts) for parts in zip(links, found, strict=True)))
        before, groups = groups.max(initial=0), _copies(links, count)
        if groups.max(initial=0) == before:
            break
        # Where there are many copies, their lists of neighbours hold nothing else. So one is asked for all, among others
        # that each stand for their group, until no groups are found to be one.
        among = _middles(links, groups)
        asked = among[np.bincount(groups) >= _CROWD]
    return links


def _middles(links: _Links, groups: Numbers) -> Numbers:
    """For each group the thumbnail that is most like the others."""
    inside = groups[links.first] == groups[links.second]
    alike = np.zeros(len(groups))
    for ends in (links.first, links.second):
        alike += np.bincount(ends[inside], links.likeness[inside].round(3), len(groups))
    order = np.lexsort((-alike.round(3), groups))
    return order[np.unique(groups[order], return_index=True)[1]]


def _views(thumbnails: Bytes) -> Floats:
    """The coarse structure of pictures, whole and cropped: their lowest frequencies, whatever their contrast.

    Returns:
        N x views x numbers; the first view is the whole picture.
    """
    frequency, place = np.arange(_HIGHEST + 1)[:, None], np.arange(_VIEW_GRID) + 0.5
    waves = np.cos(np.pi * frequency * place / _VIEW_GRID) * np.sqrt(np.where(frequency > 0, 2, 1) / _VIEW_GRID)
    cut = np.array([[low, 1 - high] for low, high in _CUTS])
    basis = (waves @ _weights(cut, SIDE, _VIEW_GRID)).astype(np.float32)
    radius = np.hypot(frequency, frequency.T)
    used = (radius > 0) & (radius <= _HIGHEST)
    # The power of photos falls with the square of the frequency: half of that is made up for.
    emphasis = np.sqrt(radius[used]).astype(np.float32)
    result = np.empty((len(thumbnails), len(_VIEWS), int(used.sum())), np.float32)
    pairs = product(range(len(_CUTS)), repeat=2)
    for view, (down, across) in enumerate(pairs):
        for start in range(0, len(thumbnails), _PAIRS_AT_ONCE):
            part = slice(start, start + _PAIRS_AT_ONCE)
            result[part, view] = (basis[down] @ thumbnails[part].astype(np.float32) @ basis[across].T)[:, used] * emphasis
    length = np.linalg.norm(result, axis=2, keepdims=True)
    return result / np.maximum(length, _PLAIN_VIEW)


def _candidates(views: Floats, asked: Numbers, among: Numbers) -> tuple[_Candidates, Numbers]:
    """Search the neighbours of some pictures among others.

    Returns:
        Each pair once, with the view that is nearest; and a number for each pair, ascending.
    """
    count, each, size = views.shape
    tree = cKDTree(views[among].reshape(-1, size))
    places = np.arange(1, min(_NEIGHBOURS, tree.n) + 1)
    distance, point = tree.query(views[asked, 0], k=places)
    whole = np.broadcast_to(asked[:, None], point.shape).ravel()
    viewed, view, distance = among[point // each].ravel(), (point % each).ravel(), distance.ravel()
    keys = np.minimum(whole, viewed) * count + np.maximum(whole, viewed)
    order = np.lexsort((view, whole, distance, keys))
    order = order[whole[order] != viewed[order]]
    keys, first = np.unique(keys[order], return_index=True)
    order = order[first]
    return _Candidates(whole[order], viewed[order], view[order]), keys


def _compared(thumbnails: Bytes, candidates: _Candidates) -> _Links:
    """Align the pairs and compare them: those that are alike by `SCENE` or more."""
    count = len(candidates.whole)
    likeness = np.zeros(count, np.float32)
    halves = _halved(thumbnails)
    boxes = np.array([[[low, 1 - high] for low, high in view] for view in _VIEWS], np.float32)
    for start in range(0, count, _PAIRS_AT_ONCE):
        places = np.arange(start, min(start + _PAIRS_AT_ONCE, count))
        one, other = (
            thumbnails[numbers[places]].astype(np.float32) for numbers in (candidates.whole, candidates.viewed)
        )
        small, small_other = halves[candidates.whole[places]], halves[candidates.viewed[places]]
        # Where the view leads astray, the whole picture may not.
        borders, coarse = _better(
            _coarsely(small, small_other, boxes[candidates.view[places]]),
            _coarsely(small, small_other, boxes[np.zeros_like(places)]),
        )
        left = coarse >= _HOPELESS
        one, other, borders = one[left], other[left], borders[left]
        for _ in range(_FINE_STEPS):
            borders = _nearer(one, other, borders, _FINE_GRID)
        found = _likeness(*_overlap(one, other, borders, _FINE_GRID))
        # Those that show more than a tenth of something else are no copies, however alike the rest may be.
        apart = _shared(borders).min(1) < _COPY_OVERLAP
        found[apart] = np.minimum(found[apart], np.float32(DUPLICATE - 0.01))
        likeness[places[left]] = found
    alike = likeness >= SCENE
    ends = candidates.whole[alike], candidates.viewed[alike]
    return _Links(np.minimum(*ends), np.maximum(*ends), likeness[alike])


def _coarsely(one: Floats, other: Floats, borders: Floats) -> tuple[Floats, Floats]:
    """Align pictures at a low resolution; and how much they are alike then."""
    for _ in range(_COARSE_STEPS):
        borders = _nearer(one, other, borders, _COARSE_GRID)
    return borders, _likeness(*_overlap(one, other, borders, _COARSE_GRID))


def _better(one: tuple[Floats, Floats], other: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Of two alignments of each pair the one after which they are more alike."""
    return np.where((one[1] >= other[1])[:, None, None], one[0], other[0]), np.maximum(one[1], other[1])


def _halved(thumbnails: Bytes) -> Floats:
    quarters = (thumbnails[:, down::2, across::2] for down, across in product(range(2), repeat=2))
    return np.asarray(sum(quarter.astype(np.float32) for quarter in quarters) / 4, np.float32)


def _parts(borders: Floats) -> tuple[Floats, Floats]:
    """The part that two pictures share, in coordinates of each: P x axis x ends, range [0, 1]."""
    start, scale = borders[..., :1], borders[..., 1:] - borders[..., :1]
    ends = np.array([0, 1], np.float32)
    mine = ((ends - start) / scale).clip(0, 1)
    return mine, start + scale * mine


def _shared(borders: Floats) -> Floats:
    """How much two pictures share, along each axis: 1 where both show the same. P x axis."""
    mine, theirs = _parts(borders)
    return np.asarray((mine[..., 1] - mine[..., 0]) * (theirs[..., 1] - theirs[..., 0]))


def _weights(part: npt.NDArray[np.floating], side: int, grid: int) -> Floats:
    """Weights that average pixels over the cells of a grid.

    Args:
        part: P x ends: what the grid covers, range [0, 1].
        side: How many pixels there are.
        grid: How many cells.

    Returns:
        P x cells x pixels.
    """
    length = part[:, 1:] - part[:, :1]
    edges = side * (part[:, :1] + length * (np.arange(grid + 1, dtype=np.float32) / grid))
    before = (edges[:, :, None] - np.arange(side, dtype=np.float32)).clip(0, 1)
    return np.diff(before, axis=1) * (grid / (side * length))[:, :, None]


def _overlap(one: Floats, other: Floats, borders: Floats, grid: int) -> tuple[Floats, Floats]:
    """What two pictures share, of each: P x grid x grid."""
    side = one.shape[1]
    return tuple(  # type: ignore[return-value]
        _weights(part[:, 0], side, grid) @ pictures @ _weights(part[:, 1], side, grid).swapaxes(1, 2)
        for pictures, part in zip((one, other), _parts(borders), strict=True)
    )


def _nearer(one: Floats, other: Floats, borders: Floats, grid: int) -> Floats:
    """A step of the alignment (Gauss-Newton): borders that fit better.

    Args:
        one: P x side x side.
        other: Likewise.
        borders: P x axis x ends: where the borders of `one` lie in the other picture, which reaches from 0 to 1.
        grid: The resolution at which they are compared.
    """
    count = len(one)
    mine, theirs = _parts(borders)
    here, there = _overlap(one, other, borders, grid)
    slopes = np.empty((count, 5, grid, grid), np.float32)
    cells = (np.arange(grid, dtype=np.float32) + 0.5) / grid
    for axis in (0, 1):
        across = np.gradient(there, axis=axis + 1) * (grid / (theirs[:, axis, 1] - theirs[:, axis, 0]))[:, None, None]
        # A border moves what is near it with it, and what is at the other end not at all.
        place = mine[:, axis, :1] + (mine[:, axis, 1:] - mine[:, axis, :1]) * cells
        place = place[:, :, None] if axis == 0 else place[:, None, :]
        slopes[:, 2 * axis + 1] = across * place
        slopes[:, 2 * axis] = across - slopes[:, 2 * axis + 1]
    slopes[:, 4] = there
    flat = slopes.reshape(count, 5, grid * grid)
    flat -= flat.mean(2, keepdims=True)
    here = here.reshape(count, grid * grid)
    here = here - here.mean(1, keepdims=True)
    # The contrast may differ. The last unknown lets it; the first guess is what makes both equal.
    energy, other_energy = (here**2).sum(1), (flat[:, 4] ** 2).sum(1)
    flat *= np.sqrt((energy + 1) / (other_energy + 1))[:, None, None]
    normal = (flat @ flat.swapaxes(1, 2)).astype(np.float64)
    target = (flat @ (here - flat[:, 4])[:, :, None]).astype(np.float64)
    unmoved = np.array([0, 1, 0, 1])
    normal[:, range(4), range(4)] += (_NOISE / _MOVE) ** 2
    normal[:, 4, 4] += 1
    target[:, :4, 0] -= (_NOISE / _MOVE) ** 2 * (borders.reshape(count, 4) - unmoved)
    step = np.linalg.solve(normal, target)[:, :4, 0].clip(-_LONGEST_STEP, _LONGEST_STEP)
    return _within_reach(borders + step.reshape(count, 2, 2).astype(np.float32))


def _within_reach(borders: Floats) -> Floats:
    """Keep a picture from leaving the other one."""
    scale = (borders[..., 1] - borders[..., 0]).clip(1 / _MOST_SCALE, _MOST_SCALE)
    reach = np.abs(scale - 1) / 2 + _MOST_SHIFT
    middle = (borders.mean(2) - 0.5).clip(-reach, reach) + 0.5
    return np.stack([middle - scale / 2, middle + scale / 2], 2)


def _likeness(one: Floats, other: Floats) -> Floats:
    """Compare aligned pictures: how well their fine structure agrees, or else how little they differ at all.

    Landscapes have the same coarse structure, so only differences of neighbours count. Horizons agree with one another:
    so both directions count the same, and so do regions of strong and of weak contrast.

    Args:
        one: P x grid x grid, gray levels.
        other: Likewise.

    Returns:
        P, range [0, 1].
    """
    agreement = sum(_correlation(_structure(one, axis), _structure(other, axis)) for axis in (1, 2)) / 2
    difference = np.sqrt(((one - other) ** 2).mean((1, 2)))
    return np.asarray(np.maximum(agreement, 1 - difference / _UNLIKE).clip(0, 1))


def _structure(pictures: Floats, axis: int) -> Floats:
    """Differences of neighbours along an axis, over the contrast around them; skies that fade have none."""
    slopes = np.diff(pictures, axis=axis)
    window = pictures.shape[1] // 8 * 2 + 1
    slopes /= np.sqrt(uniform_filter(slopes**2, (0, window, window), mode="nearest") + _WEAK**2)
    slopes -= slopes.mean((1, 2), keepdims=True)
    return slopes


def _correlation(one: Floats, other: Floats) -> Floats:
    energy, other_energy, both = ((x * y).mean((1, 2)) for x, y in ((one, one), (other, other), (one, other)))
    return np.asarray(both / np.sqrt((energy + _ROUNDING**2) * (other_energy + _ROUNDING**2)))
