"""NIQE and BRISQUE the plain way, as the MATLAB releases work: block by block, on the whole picture, with SciPy.

What the tests compare with, and what `benchmarks/metrics.py` measures against.
"""

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.special import gamma

from aimanga.metrics.parameters import load_parameters

_PLACES = np.arange(-3, 4)
_WINDOW = np.exp(-(_PLACES[:, None] ** 2 + _PLACES**2) / (2 * (7 / 6) ** 2))
_WINDOW /= _WINDOW.sum()
_SHAPES = np.arange(200, 10001) / 1000
_RATIOS = gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES))
_SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))


def rgb2gray(rgb):
    return np.floor(rgb.astype(float) @ [0.298936021293776, 0.587043074451121, 0.114020904255103] + 0.5)


def _half(levels):
    """imresize(x, 0.5): the cubic, twice as wide, over a border that is mirrored with its last sample repeated."""
    taps = np.abs((np.arange(8) - 3.5) / 2)
    cubic = np.where(taps <= 1, 1.5 * taps**3 - 2.5 * taps**2 + 1, -0.5 * taps**3 + 2.5 * taps**2 - 4 * taps + 2)
    cubic /= cubic.sum()
    for axis in (0, 1):
        length = levels.shape[axis]
        half = -(-length // 2)
        padded = np.pad(levels, [(3, 5) if a == axis else (0, 0) for a in (0, 1)], mode="symmetric")
        levels = sum(w * padded.take(np.arange(half) * 2 + tap, axis) for tap, w in enumerate(cubic))
    return levels


def _mscn(levels, beyond):
    def window(x):
        return ndimage.correlate(x, _WINDOW, mode=beyond)

    mean = window(levels)
    return (levels - mean) / (np.sqrt(np.abs(window(levels**2) - mean**2)) + 1)


def _asymmetric(values):
    values = values.ravel()
    left = np.sqrt(np.mean(values[values < 0] ** 2))
    right = np.sqrt(np.mean(values[values > 0] ** 2))
    skew = left / right
    ratio = np.mean(np.abs(values)) ** 2 / np.mean(values**2)
    shape = _SHAPES[np.argmin((_RATIOS - ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2) ** 2)]
    spread = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return shape, left, right, spread, (right - left) * spread * gamma(2 / shape) / gamma(1 / shape)


def niqe(levels):
    features = []
    levels = levels[: levels.shape[0] // 96 * 96, : levels.shape[1] // 96 * 96]
    for side in (96, 48):
        coefficients = _mscn(levels, "nearest")
        found = []
        for top in range(0, levels.shape[0], side):
            for start in range(0, levels.shape[1], side):
                block = coefficients[top : top + side, start : start + side]
                shape, left, right, spread, _ = _asymmetric(block)
                row = [shape, (left + right) * spread / 2]
                for shift in _SHIFTS:
                    shape, left, right, spread, mean = _asymmetric(block * np.roll(block, shift, (0, 1)))
                    row += [shape, mean, left * spread, right * spread]
                found.append(row)
        features.append(np.array(found))
        levels = _half(levels)
    features = np.hstack(features)
    model = {name: tensor.numpy() for name, tensor in load_parameters("niqe", "cpu").items()}
    whole = features[~np.isnan(features).any(1)]
    difference = model["mean"] - np.nanmean(features, 0)
    return np.sqrt(difference @ np.linalg.pinv((model["covariance"] + np.cov(whole.T)) / 2) @ difference)


def brisque(levels):
    features = []
    for _ in range(2):
        coefficients = _mscn(levels, "constant")
        variance = np.mean(coefficients**2)
        inverse = variance / np.mean(np.abs(coefficients)) ** 2
        features += [_SHAPES[np.argmin(np.abs(inverse - 1 / _RATIOS))], variance]
        for shift in _SHIFTS:
            shape, left, right, _, mean = _asymmetric(coefficients * np.roll(coefficients, shift, (0, 1)))
            features += [shape, mean, left**2, right**2]
        levels = _half(levels)
    model = {name: tensor.numpy() for name, tensor in load_parameters("brisque", "cpu").items()}
    low, high = model["feature_minimum"], model["feature_maximum"]
    scaled = 2 * (np.array(features) - low) / (high - low) - 1
    kernel = np.exp(-0.05 * ((model["support_vectors"] - scaled) ** 2).sum(1))
    return kernel @ model["coefficients"] - model["rho"]


def levels_of(path):
    return rgb2gray(np.asarray(Image.open(path).convert("RGB")))
