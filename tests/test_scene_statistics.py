"""Against SciPy's distributions and filters, and what is known of photos."""

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from aimanga.images import read
from aimanga.scene_statistics import asymmetric_gaussian_fit, brisque_features, generalized_gaussian_fit, mscn
from aimanga.tensors import from_array, gray


@pytest.fixture(scope="module")
def photo(samples):
    return gray(from_array(read(samples / "lionfish.jpg").pixels)) * 255


def test_the_coefficients_are_those_of_scipys_filters():
    levels = np.random.default_rng(0).uniform(0, 255, (40, 50))

    def window(x):
        return ndimage.gaussian_filter(x, 7 / 6, mode="constant", radius=3)

    mean = window(levels)
    expected = (levels - mean) / (np.sqrt(np.abs(window(levels**2) - mean**2)) + 1)
    found = mscn(torch.from_numpy(levels)[None, None])
    np.testing.assert_allclose(found[0, 0].numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("shape", [0.5, 0.8, 1.0, 2.0, 3.5])
@pytest.mark.parametrize("scale", [0.3, 4.0])
def test_shape_and_variance_of_a_generalized_gaussian_are_found(shape, scale):
    distribution = stats.gennorm(shape, scale=scale)
    values = torch.from_numpy(distribution.rvs(400_000, random_state=0))[None]
    found, variance = generalized_gaussian_fit(values)
    assert float(found) == pytest.approx(shape, rel=0.03)
    assert float(variance) == pytest.approx(distribution.var(), rel=0.03)


@pytest.mark.parametrize(("shape", "left", "right"), [(1.0, 1.0, 2.0), (2.0, 0.5, 0.4), (0.6, 1.0, 1.0)])
def test_both_flanks_of_an_asymmetric_one_are_found(shape, left, right):
    """Two halves of generalized Gaussians of one height at 0: each side has mass in proportion to its scale."""
    rng = np.random.default_rng(0)
    values = np.abs(stats.gennorm(shape).rvs(400_000, random_state=1))
    values *= np.where(rng.random(400_000) < left / (left + right), -left, right)
    found, mean, below, above = (float(x) for x in asymmetric_gaussian_fit(torch.from_numpy(values)[None]))
    unit = stats.gennorm(shape).var()
    assert found == pytest.approx(shape, rel=0.03)
    assert below == pytest.approx(unit * left**2, rel=0.03)
    assert above == pytest.approx(unit * right**2, rel=0.03)
    assert mean == pytest.approx(values.mean(), abs=0.05)


def test_a_photo_is_more_normal_than_its_blurred_or_noisy_copy(photo):
    """What BRISQUE rests on: blur makes the coefficients peaked and small, noise makes them large and normal."""
    blurred = torch.from_numpy(ndimage.gaussian_filter(photo[0, 0].numpy(), 2))[None, None]
    noisy = photo + 30 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))
    shape, variance = zip(*(generalized_gaussian_fit(mscn(x).flatten(1)) for x in (photo, blurred, noisy)), strict=True)
    assert shape[1] < shape[0] < shape[2]
    assert variance[1] < variance[0] < variance[2]


def test_36_features_each_of_its_own_picture(photo):
    batch = torch.cat([photo, photo.flip(3), photo.flip(2)])
    features = brisque_features(batch)
    assert features.shape == (3, 36) and features.isfinite().all()
    torch.testing.assert_close(brisque_features(batch[1:2]), features[1:2])
    # Mirrored, the diagonals change places, and nothing else; the products at the wrapped border aside.
    torch.testing.assert_close(features[1, :10], features[0, :10], rtol=0.02, atol=0.01)
    torch.testing.assert_close(features[1, 10:14], features[0, 14:18], rtol=0.02, atol=0.01)


def test_a_flat_picture_gives_finite_features():
    assert brisque_features(torch.full((1, 1, 32, 32), 99.0)).isfinite().all()
