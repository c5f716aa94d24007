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
"""Side of a thumbnail: the luma of a whole picture squeezed into a square by area averaging.

With 32 more photos are taken for one another; 96 finds no more copies than 48.
"""

DUPLICATE = 0.55
"""Copies of one photo are at least this alike.

Chosen on 341 photos and their 1,364 quarters, each of which counts as a photo of its own, with nine copies of each:
resized, compressed, cropped by up to a tenth at each side, of another tone, and all of that. From 0.55 on no more than
three of 1.5 million pairs of photos were taken for one, skies and a drawing. More than 99 % of the copies were found,
and all copies of whole photos; those missed are crops of plain sky and the like.
"""

SCENE = 0.4
"""Photos of one scene are at least this alike.

Chosen on bursts made of the same photos: moved by up to a sixth of the frame, turned by 2 degrees, of another tone. Of
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
_COARSE_GRID, _COARSE_STEPS = 12, 4
_FINE_GRID, _FINE_STEPS = 32, 6
_HOPELESS = 0.3  # the likeness at the coarse resolution, where all are more alike

# Of the alignment. Borders move by 5 % of a side or so: that holds them where nothing but noise would move them.
_NOISE, _MOVE = 2.0, 0.05
_LONGEST_STEP = 0.06
_MOST_SCALE, _MOST_SHIFT = 1.32, 0.22

_WEAK = 2.0  # gray levels: differences of neighbours that are less count less
_ROUNDING = 0.1  # of these: what proves nothing
_UNLIKE = 2.0  # gray levels: pictures without detail that differ by as much have nothing in common
_COPY_SHARES = 0.74  # of copies that were cropped by a tenth at each end 0.8 is shared, and the alignment errs

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
    down, across = ((waves @ _weights(_VIEWS[:, axis], SIDE, _VIEW_GRID)).astype(np.float32) for axis in (0, 1))
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
        starts = (_coarsely(halves[whole], halves[viewed], _VIEWS[numbers]) for numbers in (view, np.zeros_like(view)))
        (borders, alike), (others, others_alike) = starts
        borders = np.where((alike >= others_alike)[:, None, None], borders, others)
        left = np.flatnonzero(np.maximum(alike, others_alike) >= _HOPELESS)
        one, other = (thumbnails[numbers[left]].astype(np.float32) for numbers in (whole, viewed))
        likeness[start + left] = _finely(one, other, borders[left])
    found = likeness >= SCENE
    ends = candidates.whole[found], candidates.viewed[found]
    return _Links(np.minimum(*ends), np.maximum(*ends), likeness[found])


def _halved(thumbnails: Bytes) -> Floats:
    halves = np.zeros((len(thumbnails), SIDE // 2, SIDE // 2), np.float32)
    for down, across in product(range(2), repeat=2):
        halves += thumbnails[:, down::2, across::2]
    halves /= 4
    return halves


def _coarsely(one: Floats, other: Floats, borders: Floats) -> tuple[Floats, Floats]:
    """Align pictures at a low resolution; and how much they are alike then."""
    for _ in range(_COARSE_STEPS):
        borders = _nearer(one, other, borders, _COARSE_GRID)
    return borders, _likeness(*_overlap(one, other, borders, _COARSE_GRID))


def _finely(one: Floats, other: Floats, borders: Floats) -> Floats:
    """Align pictures, and compare them."""
    for _ in range(_FINE_STEPS):
        borders = _nearer(one, other, borders, _FINE_GRID)
    likeness = _likeness(*_overlap(one, other, borders, _FINE_GRID))
    # Where each shows much that the other does not, they are no copies, however alike the rest may be.
    mine, theirs = (part[..., 1] - part[..., 0] for part in _parts(borders))
    apart = (mine * theirs).min(1) < _COPY_SHARES
    return np.where(apart, likeness.clip(max=DUPLICATE - 0.01), likeness)


def _parts(borders: Floats) -> tuple[Floats, Floats]:
    """The part that two pictures share, in the coordinates of each: P x axis x ends, range [0, 1]."""
    start, scale = borders[..., :1], borders[..., 1:] - borders[..., :1]
    mine = ((np.array([0, 1], np.float32) - start) / scale).clip(0, 1)
    return mine, start + scale * mine


def _weights(part: Floats, side: int, grid: int) -> Floats:
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
    return np.asarray(np.diff(before, axis=1) * (grid / (side * length))[:, :, None])


def _overlap(one: Floats, other: Floats, borders: Floats, grid: int) -> tuple[Floats, Floats]:
    """What two pictures share, as each shows it: P x grid x grid."""
    mine, theirs = _parts(borders)
    return _cut(one, mine, grid), _cut(other, theirs, grid)


def _cut(pictures: Floats, part: Floats, grid: int) -> Floats:
    side = pictures.shape[1]
    down, across = (_weights(part[:, axis], side, grid) for axis in (0, 1))
    return np.asarray(down @ pictures @ across.swapaxes(1, 2))


def _nearer(one: Floats, other: Floats, borders: Floats, grid: int) -> Floats:
    """A step of the alignment (Gauss-Newton).

    Args:
        one: P x side x side, gray levels.
        other: Likewise.
        borders: P x axis x ends: where the borders of `one` lie in the other picture, which reaches from 0 to 1.
        grid: At which resolution they are compared.

    Returns:
        Borders that fit better.
    """
    count = len(one)
    mine, theirs = _parts(borders)
    here, there = _cut(one, mine, grid), _cut(other, theirs, grid)
    slopes = np.empty((count, 5, grid, grid), np.float32)
    cells = (np.arange(grid, dtype=np.float32) + 0.5) / grid
    for axis in (0, 1):
        slope = np.gradient(there, axis=axis + 1) * (grid / (theirs[:, axis, 1] - theirs[:, axis, 0]))[:, None, None]
        # A border takes with it what is near, and what lies at the other end not at all.
        place = mine[:, axis, :1] + (mine[:, axis, 1:] - mine[:, axis, :1]) * cells
        slopes[:, 2 * axis + 1] = slope * np.expand_dims(place, 2 - axis)
        slopes[:, 2 * axis] = slope - slopes[:, 2 * axis + 1]
    slopes[:, 4] = there
    unknowns, target = slopes.reshape(count, 5, grid * grid), here.reshape(count, grid * grid)
    unknowns = unknowns - unknowns.mean(2, keepdims=True)
    target = target - target.mean(1, keepdims=True)
    # Contrasts may differ: they are made equal first, then the last of the unknowns is what is still to be changed.
    unknowns *= np.sqrt(((target**2).sum(1) + 1) / ((unknowns[:, 4] ** 2).sum(1) + 1))[:, None, None]
    matrix = (unknowns @ unknowns.swapaxes(1, 2)).astype(np.float64)
    sides = (unknowns @ (target - unknowns[:, 4])[:, :, None]).astype(np.float64)
    hold = (_NOISE / _MOVE) ** 2
    matrix[:, range(5), range(5)] += np.array([hold, hold, hold, hold, 1])
    sides[:, :4, 0] -= hold * (borders.reshape(count, 4) - np.array([0, 1, 0, 1]))
    steps = np.linalg.solve(matrix, sides)[:, :4, 0].clip(-_LONGEST_STEP, _LONGEST_STEP)
    return _within_reach(borders + steps.reshape(count, 2, 2).astype(np.float32))


def _within_reach(borders: Floats) -> Floats:
    """Keep pictures from leaving one another."""
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
    down, across = (_correlation(_structure(one, axis), _structure(other, axis)) for axis in (1, 2))
    difference = np.sqrt(((one - other) ** 2).mean((1, 2)))
    return np.asarray(np.maximum((down + across) / 2, 1 - difference / _UNLIKE).clip(0, 1))


def _structure(pictures: Floats, axis: int) -> Floats:
    """Differences of neighbours along an axis, over the contrast around them; a sky that fades has none."""
    slopes = np.diff(pictures, axis=axis)
    window = pictures.shape[1] // 8 * 2 + 1
    slopes /= np.sqrt(uniform_filter(slopes**2, (0, window, window), mode="nearest") + _WEAK**2)
    return np.asarray(slopes - slopes.mean((1, 2), keepdims=True))


def _correlation(one: Floats, other: Floats) -> Floats:
    energy, other_energy, both = ((x * y).mean((1, 2)) for x, y in ((one, one), (other, other), (one, other)))
    return np.asarray(both / np.sqrt((energy + _ROUNDING**2) * (other_energy + _ROUNDING**2)))
