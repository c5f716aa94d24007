import numpy as np
import pytest
import torch
from scipy import stats

from aimanga.degrade import Sample, degrade
from aimanga.degrade.features import FEATURES, damage_features, distance
from aimanga.degrade.steps import CompressStep, FilterStep, GaussianStep, Step
from aimanga.images import read
from aimanga.tensors import from_array


@pytest.fixture(scope="module")
def patches(samples):
    """Sixteen squares of three photos."""
    photos = [from_array(read(samples / f"{name}.jpg").pixels) for name in ("lionfish", "owl", "parrot")]
    squares = [x[:, :, t : t + 64, s : s + 64] for x in photos for t in (0, 64, 128) for s in (0, 64, 128)]
    return torch.cat(squares)


def damaged(patches, *steps: Step):
    return damage_features(degrade(patches, [Sample(seed=n, steps=steps) for n in range(len(patches))]))


def changes(patches, *steps):
    """By how much each feature changes in the mean."""
    difference = (damaged(patches, *steps) - damage_features(patches)).mean(0)
    return dict(zip(FEATURES, difference.tolist(), strict=True))


def test_noise_blur_and_blocks_are_seen_where_they_belong(patches):
    gray, colour = (changes(patches, GaussianStep(sigma=15, gray=g)) for g in (True, False))
    assert gray["noise"] > 0.5 and colour["noise"] > 0.3
    for name in ("blue-yellow noise", "red-green noise"):  # where gray noise is clipped it has a colour, too
        assert colour[name] > 2 * gray[name]
    assert gray["spectrum, fine slope"] < -0.3
    blur = changes(
        patches, FilterStep(kernel="gaussian", size=13, parameters={"sigma_x": 1.5, "sigma_y": 1.5, "angle": 0})
    )
    assert blur["spectrum, fine slope"] > 1 and blur["noise"] < -0.3
    jpeg = changes(patches, CompressStep(op="jpeg", quality=10, subsampled=True))
    assert jpeg["blockiness"] > 0.3
    assert abs(blur["blockiness"]) < 0.2 and abs(gray["blockiness"]) < 0.2


def test_the_slope_of_a_spectrum_is_found():
    """Noise with a power spectrum of f^-2, and of f^-3."""
    generator = torch.Generator().manual_seed(0)
    radius = torch.hypot(torch.fft.fftfreq(128)[:, None], torch.fft.rfftfreq(128)).clamp(min=1 / 128)
    for power in (2.0, 3.0):
        spectrum = torch.fft.rfft2(torch.randn(32, 3, 128, 128, generator=generator)) * radius ** (-power / 2)
        x = torch.fft.irfft2(spectrum).mean(1, keepdim=True).expand(-1, 3, -1, -1)
        features = damage_features(0.5 + 0.1 * x / x.std())
        for name in ("spectrum, coarse slope", "spectrum, fine slope"):
            assert float(features[:, FEATURES.index(name)].mean()) == pytest.approx(power, abs=0.25)


def test_the_features_are_named_and_finite(patches):
    flat = torch.full((1, 3, 64, 64), 0.5)
    features = damage_features(torch.cat([patches, flat, flat * 0]))
    assert features.shape == (29, len(FEATURES)) and features.isfinite().all()
    assert len(set(FEATURES)) == 42


def test_distances_of_equal_and_of_moved_sets():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 600, 42, generator=generator)
    assert distance(a, a) == 0
    assert distance(a, b) < 0.03
    # Moved by m in every feature: m squared along each axis, and along an oblique direction in the mean as well.
    assert distance(a + 2, b) == pytest.approx(4, rel=0.25)
    assert distance(b, a + 2) == pytest.approx(distance(a + 2, b), rel=0.1)
    # In units of the wanted set's deviations.
    assert distance(3 * a, 3 * b) == pytest.approx(distance(a, b), rel=1e-4)


def test_along_one_direction_it_is_scipys_distance():
    """With one feature all directions are the same; SciPy's is the first power, of quantiles."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, 4000), rng.normal(0.7, 1, 4000)
    found = distance(torch.from_numpy(a)[:, None], torch.from_numpy(b)[:, None])
    # Both are the same normal but for the shift, so the first power and the root of the second agree.
    assert found**0.5 * b.std() == pytest.approx(stats.wasserstein_distance(a, b), rel=0.02)


def test_a_mixture_is_not_a_normal_one_of_equal_mean_and_variance():
    """What a Frechet distance would not see."""
    generator = torch.Generator().manual_seed(1)
    normal = torch.randn(2000, 4, generator=generator)
    signs = torch.where(torch.rand(2000, 4, generator=generator) < 0.5, -1.0, 1.0)
    mixture = 0.9 * signs + 0.436 * torch.randn(2000, 4, generator=generator)
    other = torch.randn(2000, 4, generator=generator)
    assert distance(mixture, normal) > 10 * distance(other, normal)
