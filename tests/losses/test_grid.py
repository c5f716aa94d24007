import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aimanga.losses import grid

TARGET = torch.full((1, 1, 64, 64), 0.5, dtype=torch.float64)
Y, X = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")


def cost(residual):
    return float(grid(TARGET + residual, TARGET))


@pytest.mark.parametrize(("period", "share"), [(2, 1 / 9), (4, 1 / 9)])
def test_a_cosine_at_a_frequency_of_the_grid_costs_what_the_window_passes(period, share):
    """A Hann window of N has the sum N / 2 and the energy 3 N / 8 along an axis: N^2 / 4 and 3 N / 8 in two."""
    amplitude = 0.02
    passed = amplitude * (16 / 2) ** 2 / (3 * 16 / 8) * (1 if period == 2 else 0.5)
    wave = amplitude * torch.cos(2 * math.pi / period * X)
    assert cost(wave) == pytest.approx(share * passed, rel=0.02)


@given(st.floats(0, 0.3), st.floats(-0.01, 0.01), st.floats(-0.01, 0.01))
def test_another_colour_or_a_gradient_costs_little(offset, down, across):
    smooth = offset + down * Y + across * X
    assert cost(smooth) <= 0.06 * (abs(down) + abs(across)) + 1e-9


def test_white_noise_costs_about_its_deviation():
    """The mean magnitude of a complex normal variable is sqrt(pi) / 2 of its deviation, of a real one sqrt(2 / pi)."""
    noise = 0.05 * torch.randn(64, 1, 64, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = float(grid(TARGET + noise, TARGET.expand_as(noise)))
    assert found == pytest.approx(0.05 * (6 * math.sqrt(math.pi) / 2 + 3 * math.sqrt(2 / math.pi)) / 9, rel=0.02)


def test_it_takes_a_grid_away_and_leaves_the_rest():
    noise = 0.05 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    phases = torch.rand(4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64).repeat(16, 16)
    x = (TARGET + noise + 0.05 * (phases - phases.mean())).requires_grad_()
    before = x.detach().clone()
    optimizer = torch.optim.SGD([x], lr=1)
    for _ in range(300):
        optimizer.zero_grad()
        grid(x, TARGET).backward()
        optimizer.step()

    def means(of):
        cells = of.detach().unfold(2, 4, 4).unfold(3, 4, 4).mean((0, 1, 2, 3))
        return float(cells.std())

    # The noise alone has 0.05 / 16 in the means over 256 cells.
    assert means(x) < 0.05 / 16 < 0.25 * means(before)
    left = x.detach() - TARGET
    assert float(left.std()) > 0.6 * float(noise.std())
