"""Against NumPy and finite differences."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from aimanga.losses.perceptual import perceptual

WEIGHTS = {"conv1": 0.1, "conv2": 1.0}


def features(seed=0):
    generator = torch.Generator().manual_seed(seed)
    sizes = {"conv1": (2, 4, 6, 5), "conv2": (2, 8, 3, 2), "unused": (2, 9, 1, 1)}
    return {layer: torch.randn(size, dtype=torch.float64, generator=generator) for layer, size in sizes.items()}


def test_the_definition():
    found, wanted = features(), features(1)
    expected = sum(w * np.mean(np.abs(found[k].numpy() - wanted[k].numpy())) for k, w in WEIGHTS.items())
    assert float(perceptual(found, wanted, WEIGHTS)) == pytest.approx(expected)
    apart = {layer: x + 0.5 for layer, x in wanted.items()}
    assert float(perceptual(apart, wanted, WEIGHTS)) == pytest.approx(0.5 * 0.1 + 0.5)


def test_gradients_are_those_of_finite_differences():
    wanted = features(1)
    inputs = [features()[layer].requires_grad_() for layer in WEIGHTS]
    assert gradcheck(lambda *maps: perceptual(dict(zip(WEIGHTS, maps, strict=True)), wanted, WEIGHTS), inputs)


def test_equal_features_cost_nothing():
    assert float(perceptual(features(), features(), WEIGHTS)) == 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999), st.floats(0, 4), st.floats(0, 4))
def test_it_is_symmetric_and_linear_in_the_weights(seed, first, second):
    found, wanted = features(seed), features(seed + 1000)
    value = perceptual(found, wanted, {"conv1": first, "conv2": second})
    torch.testing.assert_close(value, perceptual(wanted, found, {"conv1": first, "conv2": second}))
    alone = [perceptual(found, wanted, {layer: 1.0}) for layer in WEIGHTS]
    torch.testing.assert_close(value, first * alone[0] + second * alone[1])


def test_missing_layers_are_named_all_at_once():
    found, wanted = features(), features()
    del found["conv1"], found["conv2"], wanted["conv2"]
    with pytest.raises(ValueError, match="missing: conv1, conv2 of the pictures; conv2 of the targets"):
        perceptual(found, wanted, WEIGHTS)
    with pytest.raises(ValueError, match="no layer has a weight"):
        perceptual(found, wanted, {})
