"""Against the plain way of the benchmark: full spectra, all neighbourhoods as one matrix, MATLAB's pinv."""

import numpy as np
import pytest
import torch
from scipy import special

from aimanga.images import read
from aimanga.metrics.nrqm_gsm import global_features
from aimanga.tensors import from_array, gray
from tests.metrics import plain_nrqm as plain


@pytest.fixture(scope="module")
def photo(samples):
    return (gray(from_array(read(samples / "lionfish.jpg").pixels).double())[0, 0] * 255).round()


@pytest.mark.parametrize(("height", "width"), [(90, 128), (45, 101)])
def test_the_features_are_those_of_the_plain_way(photo, height, width):
    """At even and odd sizes: of odd ones the coarse scale is more than half as large."""
    levels = photo[40 : 40 + height, 30 : 30 + width]
    found = global_features(levels)
    assert found.shape == (45,)
    np.testing.assert_allclose(found.numpy(), plain.global_features(levels.numpy()), rtol=1e-9)


def test_the_shapes_of_noise_are_those_of_a_coordinate_on_a_sphere():
    """Whitened neighbourhoods of Gaussian noise have no direction: over its length, one is anywhere on the sphere.

    A coordinate there has the variance 1/d and the mean modulus G(d/2) / (sqrt(pi) G((d+1)/2)).
    """

    def expected(dimensions):
        modulus = special.gamma(dimensions / 2) / (np.sqrt(np.pi) * special.gamma((dimensions + 1) / 2))
        return plain.SHAPES[np.argmin(np.abs(plain.RATIOS - 1 / dimensions / modulus**2))]

    generator = torch.Generator().manual_seed(0)
    levels = 128 + 20 * torch.randn(400, 400, dtype=torch.float64, generator=generator)
    shapes = global_features(levels)[:12]
    assert shapes[:5].mean() == pytest.approx(expected(15), rel=0.02)  # 9 in space, 5 of other bands, and a parent
    assert shapes[6:].mean() == pytest.approx(expected(14), rel=0.03)


def test_what_is_multiplied_locally_is_divided_out():
    """Laplacian bands, made by a slowly changing contrast, become about as normal as those of constant contrast."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(192, 192, dtype=torch.float64, generator=generator)
    ramp = torch.logspace(-1, 1, 192, dtype=torch.float64)
    plain_shapes, contrast_shapes = (global_features(128 + 5 * n)[:6] for n in (noise, noise * ramp))
    torch.testing.assert_close(contrast_shapes, plain_shapes, rtol=0.1, atol=0)


def test_bands_without_energy_give_numbers():
    """Stripes leave most orientations empty: the moments have no inverse."""
    row = torch.randint(0, 256, (1, 90), generator=torch.Generator().manual_seed(0)).double()
    assert global_features(row.expand(90, 90).contiguous()).isfinite().all()
