"""Lay small pictures one upon the other, and say how much they are alike where they overlap.

Borders say where the borders of one picture lie in the other one, which reaches from 0 to 1: P x axis (down, across) x
ends.

Source: B. Lucas, T. Kanade, "An iterative image registration technique with an application to stereo vision", IJCAI
1981; here the borders of a picture are what is sought, and that they have not moved far is known beforehand.
"""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter

DUPLICATE = 0.55
"""Copies of one photo are at least this alike.

Chosen on 341 photos and their 1,364 quarters, each of which counts as a photo of its own, with nine copies of each:
resized, compressed, cropped by up to a tenth at each side, of another tone, and all of that. From 0.55 on no more than
three of 1.5 million pairs of photos were taken for one, skies and a drawing. More than 99 % of the copies were found,
and those of whole photos all but one; what is missed are parts of skies and the like.
"""

_COARSE_GRID, _COARSE_STEPS = 12, 4
_FINE_GRID, _FINE_STEPS = 32, 6

# Of the alignment. Borders move by 5 % of a side or so: that holds them where nothing but noise would move them.
_NOISE, _MOVE = 2.0, 0.05
_LONGEST_STEP = 0.06
_MOST_SCALE, _MOST_SHIFT = 1.32, 0.22

_WEAK = 2.0  # gray levels: differences of neighbours that are less count less
_ROUNDING = 0.1  # of these: what proves nothing
_UNLIKE = 2.0  # gray levels: pictures without detail that differ by as much have nothing in common
_COPY_SHARES = 0.74  # of copies that were cropped by a tenth at each end 0.8 is shared, and the alignment errs

Floats = npt.NDArray[np.float32]


def coarsely(one: Floats, other: Floats, borders: Floats) -> tuple[Floats, Floats]:
    """Align pairs of pictures at a low resolution.

    Args:
        one: P x side x side, gray levels.
        other: Likewise.
        borders: P x 2 x 2, to begin with.

    Returns:
        The borders found, and how much the pictures are alike then: P, 0 to 1.
    """
    for _ in range(_COARSE_STEPS):
        borders = _nearer(one, other, borders, _COARSE_GRID)
    return borders, _likeness(*_overlap(one, other, borders, _COARSE_GRID))


def finely(one: Floats, other: Floats, borders: Floats) -> Floats:
    """Align pairs of pictures, and say how much they are alike; arguments as for `coarsely`.

    Returns:
        P, 0 to 1; less than `DUPLICATE` where each shows much that the other does not.
    """
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


def weights(part: Floats, side: int, grid: int) -> Floats:
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
    down, across = (weights(part[:, axis], side, grid) for axis in (0, 1))
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
