"""Against a search through all shapes, and SciPy's distributions."""

import numpy as np
import pytest
import torch
from scipy import special, stats

from aimanga.metrics.nrqm_shape import shape


@pytest.mark.parametrize("expected", [0.5, 1.0, 2.0, 4.0])
def test_the_shape_of_a_generalized_gaussian_is_found(expected):
    values = torch.from_numpy(stats.gennorm(expected).rvs(400_000, random_state=0))
    assert float(shape(values.var(), values.abs().mean())) == pytest.approx(expected, rel=0.02)


def test_the_nearest_ratio_of_all_is_taken():
    shapes = np.arange(30, 10_001) / 1000
    ratios = special.gamma(1 / shapes) * special.gamma(3 / shapes) / special.gamma(2 / shapes) ** 2
    ratio = np.exp(np.random.default_rng(0).uniform(0, 7, 300))
    expected = shapes[np.abs(ratios[:, None] - ratio).argmin(0)]
    # Of a mean deviation of 1 the small constant of the definition is taken off again.
    found = shape(torch.from_numpy(ratio) * (1 + 1e-7), torch.ones(300, dtype=torch.float64))
    np.testing.assert_array_equal(found.numpy(), expected)


def test_beyond_the_table_its_ends_are_taken():
    found = shape(torch.tensor([0.0, 1.0, 1e30]).double(), torch.ones(3).double())
    assert found.tolist() == [10.0, 10.0, 0.03]
