"""NRQM's features the plain way, as the published MATLAB code works.

Five functions are called for every block, the pyramid has full spectra, every band's neighbourhoods are written out as
one matrix, and SSIM is computed pair by pair. What the tests compare with, and what `benchmarks/metrics.py` measures
against; it is spared the table of the shape search, which MATLAB makes for every block.
"""

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import fft, ndimage, special

from aimanga.tensors import resize

Array = npt.NDArray[Any]

SHAPES = np.arange(30, 10_001) / 1000
RATIOS = special.gamma(1 / SHAPES) * special.gamma(3 / SHAPES) / special.gamma(2 / SHAPES) ** 2


def shape(values: Array) -> float:
    """The shape of a generalized Gaussian, by trying all."""
    ratio = values.var(ddof=1) / (np.abs(values - values.mean()).mean() ** 2 + 1e-7)
    return float(SHAPES[np.argmin(np.abs(RATIOS - ratio))])


def block_shape(block: Array) -> float:
    """Of the coefficients without the mean."""
    return shape(fft.dctn(block, norm="ortho").ravel()[1:])


def variation(values: Array, epsilon: float) -> float:
    """Deviation over mean of the moduli."""
    moduli = np.abs(values)
    return float(moduli.std(ddof=1) / (moduli.mean() + epsilon))


def block_variation(block: Array) -> float:
    """Of the coefficients without the mean."""
    return variation(fft.dctn(block, norm="ortho").ravel()[1:], 1e-7)


def horizontal(block: Array) -> float:
    """Of the coefficients near the first row."""
    c = fft.dctn(block, norm="ortho")
    return variation(np.concatenate([c[0, 1:], c[1, 2:], c[2, 4:], c[3, 5:]]), 1e-8)


def diagonal(block: Array) -> float:
    """Of the coefficients in between."""
    c = fft.dctn(block, norm="ortho")
    parts = [c[1, 1:2], c[2, 2:4], c[3, 2:5], c[4, 3:], c[5, 4:], c[6, 4:]]
    return variation(np.concatenate(parts), 1e-8)


def vertical(block: Array) -> float:
    """Of the coefficients near the first column."""
    c = fft.dctn(block, norm="ortho")
    return variation(np.concatenate([c[1:, 0], c[2:, 1], c[4:, 2], c[5:, 3]]), 1e-8)


def by_block(picture: Array, function: Callable[[Array], float]) -> Array:
    """A function of each block of 3 x 3 with two pixels around it."""
    height, width = picture.shape
    down, across = -(-height // 3), -(-width // 3)
    padded = np.zeros((3 * down + 4, 3 * across + 4))
    padded[2 : 2 + height, 2 : 2 + width] = picture
    values = np.empty((down, across))
    for i in range(down):
        for j in range(across):
            values[i, j] = function(padded[3 * i : 3 * i + 7, 3 * j : 3 * j + 7])
    return values


def block_features(picture: Array) -> Array:
    """Six features of the blocks."""
    shapes = np.sort(by_block(picture, block_shape).ravel())
    variations = np.sort(by_block(picture, block_variation).ravel())
    oriented = [by_block(picture, function) for function in (horizontal, diagonal, vertical)]
    spreads = np.sort(np.var(oriented, axis=0, ddof=1).ravel())
    first = int(len(shapes) * 0.9) - 1
    return np.array(
        [
            shapes[: math.ceil(len(shapes) * 0.1)].mean(), shapes.mean(),
            variations[first:].mean(), variations.mean(), spreads[first:].mean(), spreads.mean(),
        ]
    )  # fmt: skip


def looked_up(values: Array, table: Array, first: float, step: float) -> Array:
    """A function from its samples, continued as a constant."""
    return np.interp(values, first + step * np.arange(len(table)), table)


def pyramid(picture: Array) -> tuple[Array, list[list[Array]], Array]:
    """High-pass residual, two octaves of six bands, low-pass residual; full spectra with their middle at 0."""
    height, width = picture.shape
    x, y = np.meshgrid(
        (np.arange(1, width + 1) - math.ceil((width + 0.5) / 2)) / (width / 2),
        (np.arange(1, height + 1) - math.ceil((height + 0.5) / 2)) / (height / 2),
    )
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    radius[radius == 0] = 2 / width
    octave = np.log2(radius)
    quarter = np.pi * np.arange(-257, 2) / 512
    high = np.cos(quarter) ** 2
    high[0], high[-1] = high[1], high[-2]
    edge = -0.5 + 2 / np.pi * (quarter + np.pi / 4)
    high, low = np.sqrt(high), np.sqrt(1 - high)
    turn = np.pi * np.arange(-2049, 1026) / 1024
    cosine = math.sqrt(2**10 * math.factorial(5) ** 2 / (6 * math.factorial(10))) * np.cos(turn) ** 5

    def inverse(spectrum: Array) -> Array:
        return np.fft.ifft2(np.fft.ifftshift(spectrum)).real

    def radial(table: Array, below: int) -> Array:
        return looked_up(octave, table, edge[0] - below, edge[1] - edge[0])

    spectrum = np.fft.fftshift(np.fft.fft2(picture))
    highpass = inverse(spectrum * radial(high, 0))
    spectrum = spectrum * radial(low, 0)
    octaves = []
    for scale in (1, 2):
        bands = []
        for number in range(6):
            mask = looked_up(angle, cosine, turn[0] + np.pi * number / 6, turn[1] - turn[0])
            bands.append(inverse((-1j) ** 5 * spectrum * mask * radial(high, scale)))
        octaves.append(bands)
        sizes = np.array(spectrum.shape)
        halves = np.ceil((sizes - 0.5) / 2).astype(int)
        begin = (np.ceil((sizes + 0.5) / 2) - np.ceil((halves + 0.5) / 2)).astype(int)
        inner = slice(begin[0], begin[0] + halves[0]), slice(begin[1], begin[1] + halves[1])
        octave, angle = octave[inner], angle[inner]
        spectrum = spectrum[inner] * radial(low, scale)
    return highpass, octaves, inverse(spectrum)


def resized(band: Array, height: int, width: int) -> Array:
    """MATLAB's `imresize`."""
    return resize(torch.from_numpy(band)[None, None], height, width)[0, 0].numpy()


def normalized(octaves: list[list[Array]]) -> list[Array]:
    """The coefficients of each band over their local scale."""
    results = []
    for scale, bands in enumerate(octaves):
        for number, band in enumerate(bands):
            height, width = band.shape
            shifted = [np.roll(band, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
            if scale == 0 and number < 5:
                parent = octaves[1][number]
                shifted.append(resized(parent, 2 * parent.shape[0], 2 * parent.shape[1])[:height, :width])
            count = len(shifted)
            shifted += [other for n, other in enumerate(bands) if n != number]
            y = np.stack([each[1:-1, 1:-1].ravel() for each in shifted], 1)
            moments = y.T @ y / len(y)
            inverse = np.linalg.pinv(moments, rcond=len(moments) * np.finfo(float).eps, hermitian=True)
            scales = np.sqrt(((y @ inverse) * y / count).sum(1)).reshape(height - 2, width - 2)
            centred = band[1:-1, 1:-1] - band[1:-1, 1:-1].mean()
            guard = 16 // 2**scale
            inner = (centred / scales)[guard:-guard, guard:-guard]
            results.append(inner - inner.mean())
    return results


def structure(a: Array, b: Array) -> float:
    """The mean structure term of SSIM."""
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()

    def windowed(x: Array) -> Array:
        return ndimage.correlate1d(ndimage.correlate1d(x, taps, 0), taps, 1)[5:-5, 5:-5]

    mean_a, mean_b = windowed(a), windowed(b)
    variances = windowed(a * a) - mean_a**2 + windowed(b * b) - mean_b**2
    covariance = windowed(a * b) - mean_a * mean_b
    c2 = (0.03 * 255) ** 2
    return float(((2 * covariance + c2) / (variances + c2)).mean())


def global_features(levels: Array) -> Array:
    """The 45 features of the bands."""
    highpass, octaves, _ = pyramid(levels)
    bands = normalized(octaves)
    features = [shape(band) for band in bands]
    features += [shape(np.concatenate([bands[n].ravel(), bands[n + 6].ravel()])) for n in range(6)]
    features += [structure(resized(band, *levels.shape), highpass) for bands_ in octaves for band in bands_]
    features += [structure(bands[i], bands[j]) for i, j in combinations(range(6), 2)]
    return np.array(features)


def halved(picture: Array) -> Array:
    """Every second pixel, after a small Gaussian."""
    y, x = np.mgrid[-1:2, -1:2]
    window = np.exp(-(x * x + y * y) / (2 * 0.5**2))
    return ndimage.correlate(picture, window / window.sum(), mode="constant")[1::2, 1::2]


def singular_values(picture: Array) -> Array:
    """Of the patches of 5 x 5."""
    padded = np.pad(picture, [(0, -side % 5) for side in picture.shape])
    height, width = padded.shape
    patches = [padded[i : i + 5, j : j + 5].ravel() for j in range(0, width, 5) for i in range(0, height, 5)]
    return np.linalg.svd(np.stack(patches, 1), compute_uv=False)


def features(levels: Array) -> tuple[Array, Array, Array]:
    """All three kinds."""
    full = levels / 255
    half = halved(full)
    sizes = (full, half, halved(half))
    local = np.concatenate([block_features(size) for size in sizes])
    return local, global_features(levels), np.concatenate([singular_values(size) for size in sizes])
