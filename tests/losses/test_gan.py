"""Against hand-solved cases, PyTorch's cross entropy and finite differences."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from aimanga.losses.gan import discriminator_losses, generator_loss

KINDS = ["vanilla", "hinge", "least_squares"]


def logits(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [3 * torch.randn(2, 1, *size, dtype=torch.float64, generator=generator) for size in ((4, 6), (2, 3), (1, 1))]


@pytest.mark.parametrize(
    ("kind", "real", "fake", "generator"),
    [("vanilla", math.log(2), math.log(2), math.log(2)), ("hinge", 1, 1, 0), ("least_squares", 1, 0, 1)],
)
def test_of_a_discriminator_that_cannot_tell(kind, real, fake, generator):
    zeros = [torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 2, 2)]
    assert [float(term) for term in discriminator_losses(kind, zeros, zeros)] == pytest.approx([real, fake])
    assert float(generator_loss(kind, zeros)) == pytest.approx(generator)


@pytest.mark.parametrize(
    ("kind", "real", "fake", "generator"),
    [
        ("vanilla", math.log1p(math.exp(-3)), math.log1p(math.exp(3)), math.log1p(math.exp(-3))),
        ("hinge", 0, 4, -3),
        ("least_squares", 4, 9, 4),
    ],
)
def test_by_hand_of_a_logit_of_three(kind, real, fake, generator):
    three = [torch.full((1, 1, 2, 2), 3.0)]
    assert [float(term) for term in discriminator_losses(kind, three, three)] == pytest.approx([real, fake])
    assert float(generator_loss(kind, three)) == pytest.approx(generator)


def test_vanilla_is_pytorchs_cross_entropy_and_least_squares_its_mean_squared_error():
    real, fake = logits(), logits(1)
    for kind, theirs in (("vanilla", F.binary_cross_entropy_with_logits), ("least_squares", F.mse_loss)):
        ones = torch.stack([theirs(scale, torch.ones_like(scale)) for scale in real]).mean()
        zeros = torch.stack([theirs(scale, torch.zeros_like(scale)) for scale in fake]).mean()
        torch.testing.assert_close(discriminator_losses(kind, real, fake), (ones, zeros))
        torch.testing.assert_close(generator_loss(kind, real), ones)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_finite_differences(kind):
    real, fake = ([scale.requires_grad_() for scale in logits(seed)] for seed in (0, 1))
    assert gradcheck(lambda *maps: generator_loss(kind, maps), fake)
    assert gradcheck(lambda *maps: discriminator_losses(kind, maps[:3], maps[3:]), real + fake)


def test_a_large_map_does_not_outweigh_a_small_one():
    maps = [torch.full((1, 1, 64, 64), 5.0), torch.full((1, 1, 2, 2), -1.0)]
    assert float(generator_loss("hinge", maps)) == (-5 + 1) / 2


@pytest.mark.parametrize("kind", KINDS)
def test_right_judgements_cost_nothing(kind):
    right = {"vanilla": (800.0, -800.0), "hinge": (1.0, -1.0), "least_squares": (1.0, 0.0)}[kind]
    real, fake = ([torch.full((1, 1, 2, 2), logit)] for logit in right)
    assert [float(term) for term in discriminator_losses(kind, real, fake)] == [0, 0]


def test_the_generator_of_vanilla_has_a_slope_while_it_loses():
    """And no logit is too large: the exponential is never taken of it."""
    lost = torch.full((1, 1, 1, 1), -500.0, requires_grad=True)
    value = generator_loss("vanilla", [lost])
    assert value.item() == 500
    assert torch.autograd.grad(value, lost)[0].item() == -1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.sampled_from(KINDS), st.floats(0.01, 5))
def test_mistakes_cost_and_realism_pays(seed, kind, more):
    real, fake = logits(seed), logits(seed + 1000)
    terms = discriminator_losses(kind, real, fake)
    assert min(terms) >= 0
    # A picture and its opposite are judged alike, about the middle between real and fake.
    middle = 1 if kind == "least_squares" else 0
    torch.testing.assert_close(
        terms, discriminator_losses(kind, *([middle - s for s in m] for m in (fake, real)))[::-1]
    )
    if kind != "least_squares":
        assert generator_loss(kind, [scale + more for scale in fake]) < generator_loss(kind, fake)


def test_no_map_and_no_such_game_are_errors():
    with pytest.raises(ValueError, match="wasserstein: .* are vanilla, hinge, least_squares"):
        generator_loss("wasserstein", logits())
    with pytest.raises(ValueError, match="no logits"):
        discriminator_losses("hinge", logits(), [])
