"""Against Pillow's luma, MATLAB's documented values, and the definition."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from aimanga.errors import PictureError
from aimanga.metrics import levels
from aimanga.metrics.levels import gray_levels, luma_levels, require_size
from aimanga.tensors import from_array

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


def test_gray_is_that_of_pillow_but_for_its_rounding():
    expected = np.asarray(Image.fromarray(PIXELS).convert("L")).astype(int)
    found = gray_levels(from_array(PIXELS))[0, 0].numpy()
    assert np.abs(found - expected).max() <= 1
    assert (found == expected).mean() > 0.98


@given(st.integers(0, 255))
def test_what_is_gray_stays_what_it_is(level):
    assert gray_levels(torch.full((1, 3, 2, 2), level / 255)).unique().tolist() == [level]
    assert gray_levels(torch.full((1, 1, 2, 2), level / 255)).unique().tolist() == [level]


def test_luma_of_black_white_and_the_primaries():
    """As rgb2ycbcr gives them."""
    colours = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float32)
    assert luma_levels(colours[:, :, None, None]).flatten().tolist() == [16, 235, 81, 145, 41]


def test_strips_change_nothing(monkeypatch):
    whole = luma_levels(from_array(PIXELS))
    monkeypatch.setattr(levels, "_STRIP_PIXELS", 120)
    assert torch.equal(luma_levels(from_array(PIXELS)), whole)


def test_too_small_says_how_large():
    require_size(torch.zeros(1, 3, 96, 192), "X", 96, 192)
    require_size(torch.zeros(1, 3, 192, 96), "X", 96, 192)
    with pytest.raises(PictureError, match="X needs 192 x 96 pixels or more; this picture has 191 x 96"):
        require_size(torch.zeros(1, 3, 96, 191), "X", 96, 192)
