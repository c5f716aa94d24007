"""Against SciPy's distributions and filters, and what is known of photos."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage, stats

from aimanga import scene_statistics
from aimanga.images import read
from aimanga.scene_statistics import (
    added,
    asymmetric_gaussian_fit,
    brisque_features,
    generalized_gaussian_fit,
    joined,
    levels_at,
    mscn,
    sums_of,
)
from aimanga.tensors import from_array, gray, resize


@pytest.fixture(scope="module")
def photo(samples):
    return gray(from_array(read(samples / "lionfish.jpg").pixels)).double() * 255


def test_the_coefficients_are_those_of_scipys_filters():
    levels = np.random.default_rng(0).uniform(0, 255, (40, 50))

    def window(x):
        return ndimage.gaussian_filter(x, 7 / 6, mode="constant", radius=3)

    mean = window(levels)
    deviation = np.sqrt(np.abs(window(levels**2) - mean**2))
    coefficients, deviations = mscn(F.pad(torch.from_numpy(levels)[None], (3, 3, 3, 3)))
    np.testing.assert_allclose(coefficients[0].numpy(), (levels - mean) / (deviation + 1), atol=1e-8)
    np.testing.assert_allclose(deviations[0].numpy(), deviation, atol=1e-6)


@pytest.mark.parametrize("level", [0, 1, 85, 100, 254, 255, 33.3])
def test_in_a_flat_region_the_rounding_is_that_of_49_products(level):
    """The signs of these zeros count in the fits: they must not depend on how a machine filters."""
    coefficients, _ = mscn(torch.full((1, 30, 30), level, dtype=torch.float64))
    taps = [math.exp(-(x * x + y * y) / (2 * (7 / 6) ** 2)) for y in range(-3, 4) for x in range(-3, 4)]
    mean = 0.0
    for tap in taps:
        mean += level * (tap / math.fsum(taps))
    assert coefficients.sign().unique().tolist() == [np.sign(level - mean)]
    assert coefficients.abs().max() < 1e-9


def test_half_the_size_is_every_second_place_also_of_odd_sizes():
    """MATLAB's imresize(x, 0.5) keeps the factor where a size is odd: the mirrored border makes the last sample."""
    levels = torch.rand(1, 21, 30, dtype=torch.float64)
    even = torch.cat([levels, levels[:, -1:]], 1)  # the sample beyond the border is the last one again
    half = levels_at(levels, 2, torch.arange(11), torch.arange(15))
    torch.testing.assert_close(half[:, :9], resize(even[:, None], 11, 15)[:, 0, :9])
    part = levels_at(levels, 2, torch.tensor([3, 3, 10]), torch.tensor([14, 0]))
    torch.testing.assert_close(part, half[:, [3, 3, 10]][:, :, [14, 0]])
    ramp = torch.arange(21.0)[None, :, None].expand(1, 21, 8)
    torch.testing.assert_close(
        levels_at(ramp, 2, torch.arange(2, 9), torch.arange(4))[0, :, 1], torch.arange(4.5, 18, 2).double()
    )


@pytest.mark.parametrize("shape", [0.5, 0.8, 1.0, 2.0, 3.5])
@pytest.mark.parametrize("scale", [0.3, 4.0])
def test_shape_and_variance_of_a_generalized_gaussian_are_found(shape, scale):
    distribution = stats.gennorm(shape, scale=scale)
    values = torch.from_numpy(distribution.rvs(400_000, random_state=0))[None]
    found, variance = generalized_gaussian_fit(sums_of(values))
    assert float(found) == pytest.approx(shape, rel=0.03)
    assert float(variance) == pytest.approx(distribution.var(), rel=0.03)


@pytest.mark.parametrize(("shape", "left", "right"), [(1.0, 1.0, 2.0), (2.0, 0.5, 0.4), (0.6, 1.0, 1.0)])
def test_both_flanks_of_an_asymmetric_one_are_found(shape, left, right):
    """Two halves of generalized Gaussians of one height at 0: each side has mass in proportion to its scale."""
    rng = np.random.default_rng(0)
    values = np.abs(stats.gennorm(shape).rvs(400_000, random_state=1))
    values *= np.where(rng.random(400_000) < left / (left + right), -left, right)
    fit = asymmetric_gaussian_fit(sums_of(torch.from_numpy(values)[None]))
    unit = stats.gennorm(shape).var()
    assert float(fit.shape) == pytest.approx(shape, rel=0.03)
    assert float(fit.left) == pytest.approx(math.sqrt(unit) * left, rel=0.03)
    assert float(fit.right) == pytest.approx(math.sqrt(unit) * right, rel=0.03)
    assert float(fit.left * fit.spread) == pytest.approx(left, rel=0.05)
    assert float(fit.mean) == pytest.approx(values.mean(), abs=0.05)


def test_sums_are_those_of_the_definition_and_of_their_parts():
    values = torch.tensor([[-2.0, 0, 1, 3], [0, 0, 0, 5]], dtype=torch.float64)
    sums = sums_of(values)
    expected = ([4, 4], [1, 0], [2, 1], [6, 5], [14, 25], [10, 25])
    for field, numbers in zip(sums, expected, strict=True):
        assert field.tolist() == pytest.approx(numbers, rel=1e-15)
    parts = [sums_of(values[:, :1]), sums_of(values[:, 1:])]
    assert all(torch.allclose(a, b, rtol=1e-15) for a, b in zip(added(parts), sums, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(joined([sums_of(v[None]) for v in values]), sums, strict=True))


def test_without_samples_on_a_flank_its_deviation_is_not_a_number():
    fit = asymmetric_gaussian_fit(sums_of(torch.tensor([[1.0, 2, 3], [-1, 1, 0], [0, 0, 0]], dtype=torch.float64)))
    assert fit.left.isnan().tolist() == [True, False, True]
    assert fit.right.isnan().tolist() == [False, False, True]
    assert fit.shape[[0, 2]].tolist() == [0.2, 0.2]  # where MATLAB's search ends with nothing but NaN


def test_a_photo_is_more_normal_than_its_blurred_or_noisy_copy(photo):
    """What BRISQUE rests on: blur makes the coefficients peaked and small, noise makes them large and normal."""
    photo = photo[0]
    blurred = torch.from_numpy(ndimage.gaussian_filter(photo[0].numpy(), 2))[None]
    noisy = photo + 30 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))
    fits = (generalized_gaussian_fit(sums_of(mscn(x)[0].flatten(1))) for x in (photo, blurred, noisy))
    shape, variance = zip(*fits, strict=True)
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


@pytest.mark.parametrize("pixels", [1, 2000, 9999])
def test_the_height_of_the_strips_changes_nothing(photo, monkeypatch, pixels):
    expected = brisque_features(photo[:, :, :101, :77])
    monkeypatch.setattr(scene_statistics, "STRIP_PIXELS", pixels)
    torch.testing.assert_close(brisque_features(photo[:, :, :101, :77]), expected, rtol=1e-9, atol=1e-12)


def test_a_flat_picture_gives_finite_features():
    for level in (0, 99, 255):
        assert brisque_features(torch.full((1, 1, 32, 32), level)).isfinite().all()
