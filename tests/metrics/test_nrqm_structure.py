import numpy as np
import pytest
import torch
from scipy import ndimage

from aimanga.metrics.nrqm_structure import structure_terms


def maps(height, width):
    generator = torch.Generator().manual_seed(0)
    shared = torch.randn(height, width, dtype=torch.float64, generator=generator)
    own = torch.randn(3, height, width, dtype=torch.float64, generator=generator)
    return 20 * (shared + own) + torch.tensor([0.0, 5.0, -9.0], dtype=torch.float64)[:, None, None]


@pytest.mark.parametrize(("height", "width"), [(11, 11), (47, 150)])
def test_the_terms_are_those_of_scipys_filters(height, width):
    """In one window, and over borders of tiles."""
    taps = np.exp(-(np.mgrid[-5:6, -5:6] ** 2).sum(0) / (2 * 1.5**2))

    def windowed(x):
        return ndimage.correlate(x, taps / taps.sum())[5:-5, 5:-5]

    given = maps(height, width).numpy()
    pairs = [(0, 1), (2, 0), (1, 2)]
    expected = []
    for a, b in ((given[i], given[j]) for i, j in pairs):
        covariance = windowed(a * b) - windowed(a) * windowed(b)
        variances = windowed(a**2) - windowed(a) ** 2 + windowed(b**2) - windowed(b) ** 2
        expected.append(((2 * covariance + 58.5225) / (variances + 58.5225)).mean())
    np.testing.assert_allclose(structure_terms(torch.from_numpy(given), pairs).numpy(), expected, rtol=1e-11)


def test_a_map_is_most_like_itself_and_least_like_its_negative():
    given = maps(30, 30)
    both = torch.stack([given[0], given[0] + 7, -given[0]])
    same, opposite = structure_terms(both, [(0, 1), (0, 2)]).tolist()
    assert same == pytest.approx(1)
    assert opposite < -0.5
