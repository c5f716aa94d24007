"""Align small pictures, and measure their similarity where they overlap.

Borders are the positions of one picture's borders in the other one, which reaches from 0 to 1: P x axis (down, across)
x ends.

Source: B. Lucas, T. Kanade, "An iterative image registration technique with an application to stereo vision", IJCAI
1981; here the unknowns are the borders of a picture, with a prior that they have not moved far.
"""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter

DUPLICATE = 0.55
"""Copies of one photo have at least this similarity.

Chosen on 341 photos and their 1,364 quarters, each counted as a photo of its own, with nine copies of each: resized,
compressed, cropped by up to a tenth at each side, with another tone, and all of that. From 0.55 on at most three of 1.5
million pairs of photos are taken for copies (skies and a drawing), and more than 99 % of the copies are found, those of
whole photos all but one; parts of skies and the like are missed.
"""

_COARSE_GRID, _COARSE_STEPS = 12, 4
_FINE_GRID, _FINE_STEPS = 32, 6

# Of the alignment: borders move by about 5 % of a side, a prior that holds them where only noise would move them.
_NOISE, _MOVE = 2.0, 0.05
_LONGEST_STEP = 0.06
_MOST_SCALE, _MOST_SHIFT = 1.32, 0.22

_WEAK = 2.0  # gray levels: smaller differences of neighbours count less
_ROUNDING = 0.1  # of these: rounding errors, which prove nothing
_UNLIKE = 2.0  # gray levels: pictures without detail that differ by this have a similarity of 0
_COPY_SHARES = 0.74  # copies cropped by a tenth at each end share 0.8, less the error of the alignment

Floats = npt.NDArray[np.float32]


def align_coarse(one: Floats, other: Floats, borders: Floats) -> tuple[Floats, Floats]:
    """Align pairs of pictures at a low resolution.

    Args:
        one: P x side x side, gray levels.
        other: Likewise.
        borders: P x 2 x 2, to begin with.

    Returns:
        The borders, and the similarity of the pictures then: P, 0 to 1.
    """
    for _ in range(_COARSE_STEPS):
        borders = _step(one, other, borders, _COARSE_GRID)
    return borders, _similarity(*_overlap(one, other, borders, _COARSE_GRID))


def fine_similarity(one: Floats, other: Floats, borders: Floats) -> Floats:
    """Align pairs of pictures at a high resolution, and measure their similarity; arguments as for `align_coarse`.

    Returns:
        P, 0 to 1; below `DUPLICATE` where each shows much that the other does not.
    """
    for _ in range(_FINE_STEPS):
        borders = _step(one, other, borders, _FINE_GRID)
    similarity = _similarity(*_overlap(one, other, borders, _FINE_GRID))
    # Where each shows much that the other does not, they are no copies, however similar the rest may be.
    mine, theirs = (part[..., 1] - part[..., 0] for part in _parts(borders))
    distinct = (mine * theirs).min(1) < _COPY_SHARES
    return np.where(distinct, similarity.clip(max=DUPLICATE - 0.01), similarity)


def _parts(borders: Floats) -> tuple[Floats, Floats]:
    """The part that two pictures share, in the coordinates of each: P x axis x ends, range [0, 1]."""
    start, scale = borders[..., :1], borders[..., 1:] - borders[..., :1]
    mine = ((np.array([0, 1], np.float32) - start) / scale).clip(0, 1)
    return mine, start + scale * mine


def weights(part: Floats, side: int, grid: int) -> Floats:
    """Weights that average pixels over the cells of a grid.

    Args:
        part: P x ends: the range that the grid covers, within [0, 1].
        side: Number of pixels.
        grid: Number of cells.

    Returns:
        P x cells x pixels.
    """
    length = part[:, 1:] - part[:, :1]
    edges = side * (part[:, :1] + length * (np.arange(grid + 1, dtype=np.float32) / grid))
    before = (edges[:, :, None] - np.arange(side, dtype=np.float32)).clip(0, 1)
    return np.asarray(np.diff(before, axis=1) * (grid / (side * length))[:, :, None])


def _overlap(one: Floats, other: Floats, borders: Floats, grid: int) -> tuple[Floats, Floats]:
    """The shared part of two pictures, resampled from each: P x grid x grid."""
    mine, theirs = _parts(borders)
    return _cut(one, mine, grid), _cut(other, theirs, grid)


def _cut(pictures: Floats, part: Floats, grid: int) -> Floats:
    side = pictures.shape[1]
    down, across = (weights(part[:, axis], side, grid) for axis in (0, 1))
    return np.asarray(down @ pictures @ across.swapaxes(1, 2))


def _step(one: Floats, other: Floats, borders: Floats, grid: int) -> Floats:
    """One Gauss-Newton step of the alignment.

    Args:
        one: P x side x side, gray levels.
        other: Likewise.
        borders: P x axis x ends.
        grid: The resolution of the comparison.

    Returns:
        Better borders.
    """
    count = len(one)
    mine, theirs = _parts(borders)
    here, there = _cut(one, mine, grid), _cut(other, theirs, grid)
    slopes = np.empty((count, 5, grid, grid), np.float32)
    cells = (np.arange(grid, dtype=np.float32) + 0.5) / grid
    for axis in (0, 1):
        slope = np.gradient(there, axis=axis + 1) * (grid / (theirs[:, axis, 1] - theirs[:, axis, 0]))[:, None, None]
        # A border moves what is near it, and the other end not at all.
        place = mine[:, axis, :1] + (mine[:, axis, 1:] - mine[:, axis, :1]) * cells
        slopes[:, 2 * axis + 1] = slope * np.expand_dims(place, 2 - axis)
        slopes[:, 2 * axis] = slope - slopes[:, 2 * axis + 1]
    slopes[:, 4] = there
    unknowns, target = slopes.reshape(count, 5, grid * grid), here.reshape(count, grid * grid)
    unknowns = unknowns - unknowns.mean(2, keepdims=True)
    target = target - target.mean(1, keepdims=True)
    # Contrasts may differ: they are equalized first, and the last unknown is the remaining change.
    unknowns *= np.sqrt(((target**2).sum(1) + 1) / ((unknowns[:, 4] ** 2).sum(1) + 1))[:, None, None]
    matrix = (unknowns @ unknowns.swapaxes(1, 2)).astype(np.float64)
    sides = (unknowns @ (target - unknowns[:, 4])[:, :, None]).astype(np.float64)
    hold = (_NOISE / _MOVE) ** 2
    matrix[:, range(5), range(5)] += np.array([hold, hold, hold, hold, 1])
    sides[:, :4, 0] -= hold * (borders.reshape(count, 4) - np.array([0, 1, 0, 1]))
    steps = np.linalg.solve(matrix, sides)[:, :4, 0].clip(-_LONGEST_STEP, _LONGEST_STEP)
    return _within_reach(borders + steps.reshape(count, 2, 2).astype(np.float32))


def _within_reach(borders: Floats) -> Floats:
    """Limit the scale and the shift, so that pictures keep overlapping."""
    scale = (borders[..., 1] - borders[..., 0]).clip(1 / _MOST_SCALE, _MOST_SCALE)
    reach = np.abs(scale - 1) / 2 + _MOST_SHIFT
    middle = (borders.mean(2) - 0.5).clip(-reach, reach) + 0.5
    return np.stack([middle - scale / 2, middle + scale / 2], 2)


def _similarity(one: Floats, other: Floats) -> Floats:
    """The similarity of aligned pictures: the correlation of their fine structure, or else how little they differ.

    Landscapes share their coarse structure, so only differences of neighbours count. Horizons correlate with one
    another, so both directions count the same, as do regions of strong and of weak contrast.

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
    """Differences of neighbours along an axis, normalized by the contrast around them; a smooth gradient has none."""
    slopes = np.diff(pictures, axis=axis)
    window = pictures.shape[1] // 8 * 2 + 1
    slopes /= np.sqrt(uniform_filter(slopes**2, (0, window, window), mode="nearest") + _WEAK**2)
    return np.asarray(slopes - slopes.mean((1, 2), keepdims=True))


def _correlation(one: Floats, other: Floats) -> Floats:
    energy, other_energy, both = ((x * y).mean((1, 2)) for x, y in ((one, one), (other, other), (one, other)))
    return np.asarray(both / np.sqrt((energy + _ROUNDING**2) * (other_energy + _ROUNDING**2)))
