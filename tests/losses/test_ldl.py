"""Against NumPy, window by window, and properties of the map."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aimanga.losses.ldl import artifact_map, ldl


def pictures(seed=0, height=9, width=12):
    generator = torch.Generator().manual_seed(seed)
    x, target, averaged = torch.rand(3, 2, 3, height, width, dtype=torch.float64, generator=generator)
    return x, target, averaged


def plain_map(x, target, averaged, window):
    """Of one picture, C x H x W."""
    residual, steady = (np.abs(made - target).sum(0) for made in (x, averaged))
    padded = np.pad(residual, window // 2, mode="reflect")
    squares = np.lib.stride_tricks.sliding_window_view(padded, (window, window))
    weights = residual.var(ddof=1) ** 0.2 * squares.var((2, 3), ddof=1)
    return np.where(residual < steady, 0, weights)


@pytest.mark.parametrize("window", [3, 7, 17])
def test_the_definition(window):
    batch = pictures()
    expected = [plain_map(*(x.numpy() for x in picture), window) for picture in zip(*batch, strict=True)]
    found = artifact_map(*batch, window=window)
    np.testing.assert_allclose(found[:, 0].numpy(), expected, rtol=1e-9, atol=1e-14)
    x, target, _ = (x.numpy() for x in batch)
    weights = np.stack(expected)[:, None]
    value = np.mean(np.abs(weights * x - weights * target))
    assert float(ldl(*batch, window=window)) == pytest.approx(value)


def test_the_gradient_is_the_map_by_the_sign_of_the_difference():
    """Not that of finite differences: the map, which changes with the picture, is held constant."""
    x, target, averaged = pictures()
    x.requires_grad_()
    ldl(x, target, averaged).backward()
    for picture in range(2):
        weights = plain_map(*(y[picture].detach().numpy() for y in (x, target, averaged)), 7)
        sign = np.sign((x - target)[picture].detach().numpy())
        np.testing.assert_allclose(x.grad[picture].numpy(), weights * sign / x.numel(), rtol=1e-9, atol=1e-16)


def test_equal_pictures_cost_nothing():
    x, target, averaged = pictures()
    for other in (averaged, target):
        assert float(ldl(target, target, other)) == 0
    assert float(ldl(x, target, x)) > 0  # a tie is no improvement: as at the first step, where both networks are one


def test_where_it_is_closer_than_the_average_it_is_left_alone():
    x, target, _ = pictures()
    assert float(ldl(x, target, 2 * x - target)) == 0
    half = torch.cat([x[..., :6], (2 * x - target)[..., 6:]], 3)
    free = artifact_map(x, target, half)
    assert not free[..., 6:].any()
    torch.testing.assert_close(free[..., :6], artifact_map(x, target, target)[..., :6])


def test_an_even_difference_costs_nothing_but_a_spot_does():
    """An offset has no variance; float32 leaves next to none either."""
    target = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) / 2
    assert float(ldl(target + 0.25, target, target)) < 1e-12
    spot = target.clone()
    spot[:, :, 16, 16] += 0.25
    weights = artifact_map(spot, target, target)[0, 0]
    assert (weights[13:20, 13:20] > 1e-3).all()
    assert float(weights.sum() - weights[13:20, 13:20].sum()) < 1e-6


def test_float32_resolves_a_small_variance_beside_a_large_offset():
    """As a shift of colour makes it: the variance is a millionth of the square of the residual."""
    x, target, _ = pictures()
    x = (target / 4 + 0.7 + 1e-3 * x).float()
    target = (target / 4).float()
    expected = artifact_map(x.double(), target.double(), x.double())
    torch.testing.assert_close(artifact_map(x, target, x).double(), expected, rtol=1e-3, atol=0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999), st.floats(0.1, 4))
def test_twice_the_difference_costs_3_4_powers_of_two(seed, factor):
    """Two powers of the variance in the window, 2/5 of that of the picture, and one of the difference."""
    x, target, averaged = pictures(seed)
    scaled = ldl(factor * x, factor * target, factor * averaged)
    torch.testing.assert_close(scaled, factor**3.4 * ldl(x, target, averaged))
    assert scaled >= 0


@pytest.mark.parametrize("window", [1, 4, -3])
def test_a_window_without_a_middle_or_a_variance_is_an_error(window):
    with pytest.raises(ValueError, match=f"odd and 3 or more pixels wide, not {window}"):
        ldl(*pictures(), window=window)


def test_a_picture_that_cannot_be_mirrored_far_enough_is_an_error():
    assert ldl(*pictures(height=4, width=4)).isfinite()
    with pytest.raises(ValueError, match="4 or more"):
        ldl(*pictures(height=3))
