"""Against hand-solved cases, PyTorch's own losses and finite differences."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from aimanga.losses.pixel import charbonnier, l1


def pair(seed=0):
    return torch.rand(2, 2, 3, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).unbind()


def test_by_hand():
    x, target = torch.tensor([[0.0, 0.5, 1.0, 0.25]]), torch.tensor([[0.0, 0.2, 0.6, 0.25]])
    assert float(l1(x, target)) == pytest.approx((0.3 + 0.4) / 4)
    # Differences 0, 0.3, 0.4, 0 and an epsilon of 0.4: roots of 0.16, 0.25, 0.32, 0.16.
    assert float(charbonnier(x, target, epsilon=0.4)) == pytest.approx((0.4 + 0.5 + 0.32**0.5 + 0.4) / 4)


def test_those_of_pytorch():
    x, target = pair()
    torch.testing.assert_close(l1(x, target), F.l1_loss(x, target))
    # Far from zero Charbonnier's is the absolute difference, near zero a parabola.
    torch.testing.assert_close(charbonnier(x + 9, target, epsilon=1e-4), F.l1_loss(x + 9, target))
    near = charbonnier(target + 1e-4 * (x - target), target, epsilon=0.1) - 0.1
    torch.testing.assert_close(near, F.mse_loss(x, target) * 1e-8 / 0.2, rtol=1e-5, atol=0)


@pytest.mark.parametrize("loss", [l1, charbonnier])
def test_gradients_are_those_of_finite_differences(loss):
    x, target = pair()
    assert gradcheck(lambda x: loss(x, target), x.requires_grad_())


def test_equal_pictures_cost_nothing_or_epsilon():
    x = pair()[0].requires_grad_()
    for loss, least in ((l1, 0), (charbonnier, 1e-3)):
        value = loss(x, x.detach())
        assert value.item() == pytest.approx(least, abs=1e-12)
        assert not torch.autograd.grad(value, x)[0].any()


def test_an_epsilon_of_zero_is_an_error():
    """It would make the gradient of equal samples NaN."""
    with pytest.raises(ValueError, match="above 0, not 0"):
        charbonnier(*pair(), epsilon=0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.floats(-3, 3), st.floats(1e-4, 1))
def test_symmetry_scale_and_bounds(seed, factor, epsilon):
    x, target = pair(seed)
    torch.testing.assert_close(l1(x, target), l1(target, x))
    torch.testing.assert_close(l1(factor * x, factor * target), abs(factor) * l1(x, target))
    rounded = charbonnier(x, target, epsilon=epsilon)
    torch.testing.assert_close(rounded, charbonnier(target, x, epsilon=epsilon))
    assert max(l1(x, target), epsilon) <= rounded <= l1(x, target) + epsilon
