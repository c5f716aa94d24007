"""Against NumPy's Fourier transform, hand-solved waves and finite differences."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from aimanga.losses.focal_frequency import focal_frequency


def pair(seed=0):
    return torch.rand(2, 2, 3, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).unbind()


def plain(x, target, alpha):
    """The weights and the difference of the spectra, N x C x H x W."""
    difference = np.fft.fft2(x, norm="ortho") - np.fft.fft2(target, norm="ortho")
    weights = np.abs(difference) ** alpha
    return weights / weights.max((2, 3), keepdims=True), difference


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_the_definition_and_its_gradient_with_the_weights_held(alpha):
    """Not the gradient of finite differences, in which the weights change: that of the paper, solved with NumPy."""
    x, target = pair()
    weights, difference = plain(x.numpy(), target.numpy(), alpha)
    value = focal_frequency(x.requires_grad_(), target, alpha=alpha)
    assert value.item() == pytest.approx(np.mean(weights * np.abs(difference) ** 2))
    gradient = np.fft.ifft2(2 * weights * difference, norm="ortho").real / x.numel()
    np.testing.assert_allclose(torch.autograd.grad(value, x)[0].numpy(), gradient, rtol=1e-9, atol=1e-16)


def test_without_focus_it_is_the_mean_squared_error():
    x, target = pair()
    torch.testing.assert_close(focal_frequency(x, target, alpha=0), F.mse_loss(x, target))
    assert gradcheck(lambda x: focal_frequency(x, target, alpha=0), x.requires_grad_())


def test_two_waves_by_hand():
    """Of amplitude 1 and 1/2: weights of 1 and 1/2, squared errors of 1/2 and 1/8."""
    columns = torch.arange(8, dtype=torch.float64)
    coarse, fine = torch.cos(columns * torch.pi / 4), torch.cos(columns * torch.pi * 3 / 4)
    x = (coarse + fine / 2).expand(1, 3, 8, 8)
    assert float(focal_frequency(x, torch.zeros_like(x))) == pytest.approx(1 * 1 / 2 + 1 / 2 * 1 / 8)


def test_equal_pictures_cost_nothing_and_have_no_gradient():
    x = pair()[0].requires_grad_()
    value = focal_frequency(x, x.detach())
    assert value.item() == 0
    assert not torch.autograd.grad(value, x)[0].any()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999), st.floats(0.01, 4), st.floats(0, 3))
def test_it_is_symmetric_grows_with_the_square_and_is_below_the_mean_squared_error(seed, factor, alpha):
    x, target = pair(seed)
    value = focal_frequency(x, target, alpha=alpha)
    torch.testing.assert_close(value, focal_frequency(target, x, alpha=alpha))
    torch.testing.assert_close(focal_frequency(factor * x, factor * target, alpha=alpha), factor**2 * value)
    assert 0 < value <= F.mse_loss(x, target) * (1 + 1e-9)


def test_an_alpha_below_zero_is_an_error():
    with pytest.raises(ValueError, match="0 or more, not -1"):
        focal_frequency(*pair(), alpha=-1)
