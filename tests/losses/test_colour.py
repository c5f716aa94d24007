"""Against NumPy, square by square, and properties."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from aimanga.losses.colour import colour_consistency


def pair(height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 2, 3, height, width, dtype=torch.float64, generator=generator).unbind()


def plain(x, target, factor):
    height, width = x.shape[2:]
    differences = [
        np.abs((x - target)[:, :, top : top + factor, left : left + factor].mean((2, 3)))
        for top in range(0, height, factor)
        for left in range(0, width, factor)
    ]
    return np.mean(differences)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20), st.integers(0, 999))
def test_the_definition(height, width, factor, seed):
    x, target = pair(height, width, seed)
    found = colour_consistency(x, target, factor=factor)
    assert float(found) == pytest.approx(plain(x.numpy(), target.numpy(), factor))
    torch.testing.assert_close(found, colour_consistency(target, x, factor=factor))
    # Parts of a square may cancel out, so it is never above the difference pixel by pixel, where squares are whole.
    if height % factor == 0 and width % factor == 0:
        assert found <= (x - target).abs().mean() * (1 + 1e-9)


def test_detail_is_free_and_colour_is_not():
    target = torch.full((1, 3, 32, 32), 0.5)
    checks = 0.25 * (1 - 2.0 * ((torch.arange(32)[:, None] + torch.arange(32)) % 2))
    assert float(colour_consistency(target + checks, target)) == 0
    tinted = target + torch.tensor([0.125, 0, -0.0625]).view(1, 3, 1, 1)
    assert float(colour_consistency(tinted + checks, target)) == 0.1875 / 3


def test_a_picture_smaller_than_a_square_is_one_square():
    x, target = pair(5, 9)
    expected = (x - target).mean((2, 3)).abs().mean()
    torch.testing.assert_close(colour_consistency(x, target, factor=16), expected)


def test_gradients_are_those_of_finite_differences():
    x, target = pair(5, 7)
    assert gradcheck(lambda x: colour_consistency(x, target, factor=3), x.requires_grad_())


def test_equal_pictures_cost_nothing():
    x = pair(20, 20)[0]
    assert float(colour_consistency(x, x)) == 0


def test_squares_of_no_width_are_an_error():
    with pytest.raises(ValueError, match="1 pixel or more, not 0"):
        colour_consistency(*pair(4, 4), factor=0)
