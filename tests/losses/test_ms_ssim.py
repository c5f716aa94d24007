"""Against SciPy's Gaussian filter, hand-solved cases and finite differences."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch.autograd import gradcheck

from aimanga.losses.ms_ssim import ms_ssim_loss

WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]


def window(x):
    return ndimage.gaussian_filter(x, 1.5, radius=5)[5:-5, 5:-5]


def halved(x):
    """As the authors do it: averages of 2 x 2 over a mirrored border, of which every second is taken."""
    return ndimage.correlate(x, np.full((2, 2), 1 / 4), mode="reflect", origin=-1)[::2, ::2]


def plain(x, y, scales):
    """MS-SSIM of one channel."""
    weights = np.array(WEIGHTS[:scales])
    if scales < 5:
        weights /= weights.sum()
    result = 1
    for scale, weight in enumerate(weights, 1):
        mean_x, mean_y = window(x), window(y)
        var_x, var_y, cov = window(x * x) - mean_x**2, window(y * y) - mean_y**2, window(x * y) - mean_x * mean_y
        similarity = (2 * cov + 0.03**2) / (var_x + var_y + 0.03**2)
        if scale == scales:
            similarity *= (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
        result *= similarity.mean() ** weight
        x, y = halved(x), halved(y)
    return result


def pair(height, width, seed=0):
    """A picture and its target, which are alike at every scale."""
    generator = torch.Generator().manual_seed(seed)
    x, noise = torch.rand(2, 1, 3, height, width, dtype=torch.float64, generator=generator)
    return x, x.lerp(noise, 0.4)


@pytest.mark.parametrize(
    ("height", "width", "scales"),
    [(11, 40, 1), (20, 20, 1), (21, 33, 2), (40, 90, 2), (41, 41, 3), (81, 100, 4), (160, 160, 4), (161, 176, 5)],
)
def test_the_definition(height, width, scales):
    x, target = pair(height, width)
    expected = np.mean([plain(a, b, scales) for a, b in zip(x[0].numpy(), target[0].numpy(), strict=True)])
    assert float(ms_ssim_loss(x, target)) == pytest.approx(1 - expected, abs=1e-12)
    assert float(ms_ssim_loss(x.float(), target.float())) == pytest.approx(1 - expected, abs=1e-5)


def test_gradients_are_those_of_finite_differences():
    x, target = pair(21, 22)
    assert gradcheck(lambda x: ms_ssim_loss(x, target), x.requires_grad_(), fast_mode=True)


def test_equal_pictures_cost_exactly_nothing():
    x = pair(50, 45)[0].float().requires_grad_()
    value = ms_ssim_loss(x, x.detach())
    assert value.item() == 0
    assert torch.autograd.grad(value, x)[0].abs().max() < 1e-6


def test_flat_pictures_differ_in_brightness_alone():
    x, target = (torch.full((1, 3, 181, 170), level, dtype=torch.float64) for level in (0.2, 0.4))
    brightness = (2 * 0.2 * 0.4 + 0.01**2) / (0.2**2 + 0.4**2 + 0.01**2)
    assert float(ms_ssim_loss(x, target)) == pytest.approx(1 - brightness**0.1333)


@pytest.mark.parametrize("side", [11, 21, 41, 161])
def test_a_negative_contrast_gives_no_nan(side):
    """A picture's negative is unlike it at the fine scales, whose powers would be NaN."""
    x = pair(side, side)[0].float().requires_grad_()
    value = ms_ssim_loss(x, 1 - x.detach())
    assert 0.99 < value.item() < 1
    assert torch.isfinite(torch.autograd.grad(value, x)[0]).all()


def test_scales_that_are_alike_lead_on_where_another_is_not():
    coarse = torch.linspace(0, 1, 48).expand(1, 3, 48, 48)
    fine = 0.2 * (torch.arange(48) % 2 - 0.5)
    x = (coarse + fine).requires_grad_()
    value = ms_ssim_loss(x, coarse - fine)
    gradient = torch.autograd.grad(value, x)[0]
    assert torch.isfinite(gradient).all()
    assert gradient.any()
    assert 0 < value.item() < 0.999


@settings(max_examples=15, deadline=None)
@given(st.integers(11, 50), st.integers(11, 50), st.integers(0, 999))
def test_symmetry_bounds_and_turns(height, width, seed):
    x, target = pair(height, width, seed)
    value = ms_ssim_loss(x, target)
    assert 0 < value < 1
    torch.testing.assert_close(ms_ssim_loss(target, x), value)
    torch.testing.assert_close(ms_ssim_loss(x.mT, target.mT), value)


def test_a_picture_smaller_than_the_window_is_an_error():
    with pytest.raises(ValueError, match="11 x 11 pixels or more"):
        ms_ssim_loss(*pair(10, 40))
