"""The crops with the most detail, without overlap."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimanga.curate.crops import detailed_crops
from aimanga.curate.detail import TileMap


def tile_map(detail, text=None):
    detail = np.asarray(detail, np.float32)
    return TileMap(detail, np.zeros(detail.shape, bool) if text is None else text, 0.0)


def corners(tiles, size, count=9, **avoid):
    height, width = (side * 32 for side in tiles.detail.shape)
    return [(crop.box.left, crop.box.top) for crop in detailed_crops(tiles, width, height, size, count, **avoid)]


def test_the_best_first():
    detail = np.ones((6, 8))
    detail[3:5, 4:6] = 9
    detail[0, 0] = 5
    tiles = tile_map(detail)
    assert corners(tiles, 64, 2) == [(128, 96), (0, 0)]
    assert detailed_crops(tiles, 256, 192, 64, 1)[0].detail == 9
    assert len(corners(tiles, 64)) == 9


def test_a_size_that_is_no_multiple_of_a_tile():
    # 48 pixels are a tile and a half.
    detail = np.zeros((4, 4))
    detail[1, 1], detail[1, 2], detail[2, 2] = 8, 4, 12
    best = detailed_crops(tile_map(detail), 128, 128, 48, 1)[0]
    assert (best.box.left, best.box.top) == (32, 32)
    assert best.detail == pytest.approx((8 + 4 / 2 + 12 / 4) / 1.5**2)


def test_the_whole_picture_and_more():
    tiles = tile_map(np.ones((3, 4)))
    assert corners(tiles, 96) == [(0, 0)]
    assert corners(tiles, 97) == []


@given(st.integers(64, 400), st.integers(64, 400), st.integers(10, 300), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_crops_lie_inside_and_apart(width, height, size, count, seed):
    detail = np.random.default_rng(seed).random((height // 32, width // 32))
    crops = detailed_crops(tile_map(detail), width, height, size, count)
    assert len(crops) <= count and (len(crops) > 0) == (min(width, height) >= size)
    for crop in crops:
        box = crop.box
        assert 0 <= box.left <= width - size and 0 <= box.top <= height - size and box.width == box.height == size
    for one, other in itertools.combinations(crops, 2):
        assert max(abs(one.box.left - other.box.left), abs(one.box.top - other.box.top)) >= size
    assert [crop.detail for crop in crops] == sorted((crop.detail for crop in crops), reverse=True)


def test_what_is_to_be_avoided():
    detail = np.full((4, 8), 20.0)
    detail[:, :4] = 30
    detail[0, :2] = 1  # out of focus
    text = np.zeros((4, 8), bool)
    text[2, 2] = True
    tiles = tile_map(detail, text)
    assert corners(tiles, 128, 1) == [(0, 0)]
    assert corners(tiles, 128, 1, avoid_blur=True) == [(32, 0)]
    assert corners(tiles, 128, 1, avoid_text=True) == [(96, 0)]
    assert corners(tile_map(detail, np.ones((4, 8), bool)), 128, avoid_text=True) == []
