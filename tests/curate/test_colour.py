"""Colourfulness, against cases solved by hand."""

import numpy as np
import pytest

from aimanga.curate.colour import colourfulness


def test_gray_has_none():
    gray = np.random.default_rng(0).integers(0, 256, (40, 30, 1), np.uint8)
    assert colourfulness(gray) == 0
    assert colourfulness(gray.repeat(3, 2)) == 0


def test_one_colour_by_hand():
    # Red 200, green 100, blue 50: red-green 100, yellow-blue 100, no spread.
    plain = np.full((8, 8, 3), (200, 100, 50), np.uint8)
    assert colourfulness(plain) == pytest.approx(0.3 * np.hypot(100, 100), rel=1e-6)


def test_two_colours_by_hand():
    # Red and green halves: red-green is 255 or -255, yellow-blue 127.5 in both.
    halves = np.zeros((8, 8, 3), np.uint8)
    halves[:4, :, 0] = 255
    halves[4:, :, 1] = 255
    assert colourfulness(halves) == pytest.approx(255 + 0.3 * 127.5, rel=1e-6)
