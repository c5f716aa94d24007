import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aimanga.degrade import kernels

ANGLES = st.floats(-math.pi, math.pi)
SIGMAS = st.floats(0.8, 2.5)
EVERY = {
    "gaussian": lambda size, angle: kernels.gaussian(size, 1.2, 2.1, angle),
    "generalized": lambda size, angle: kernels.generalized_gaussian(size, 1.2, 2.1, angle, 0.7),
    "plateau": lambda size, angle: kernels.plateau(size, 1.2, 2.1, angle, 1.7),
    "sinc": lambda size, angle: kernels.sinc(size, 2.0),
    "motion": lambda size, angle: kernels.motion(size, 6.3, angle),
    "disk": lambda size, angle: kernels.disk(size, 2.6),
}


def grid(size):
    line = torch.arange(size, dtype=torch.float64) - size // 2
    return torch.meshgrid(line, line, indexing="ij")


def covariance(kernel):
    """Of columns (x) and rows (y), by definition."""
    y, x = grid(len(kernel))
    kernel = kernel.double()
    return torch.stack([torch.stack([(kernel * a * b).sum() for b in (x, y)]) for a in (x, y)])


def ellipse(sigma_x, sigma_y, angle):
    axes = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    return axes @ torch.diag(torch.tensor([sigma_x**2, sigma_y**2], dtype=torch.float64)) @ axes.T


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("size", [1, 3, 7, 21])
@given(angle=ANGLES)
@settings(max_examples=20, deadline=None)
def test_every_kernel_sums_up_to_1_and_is_symmetric_about_its_centre(name, size, angle):
    kernel = EVERY[name](size, angle)
    assert kernel.shape == (size, size)
    assert kernel.dtype == torch.float32
    assert float(kernel.double().sum()) == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(kernel, kernel.flip(0, 1), atol=1e-6, rtol=0)
    assert kernel.argmax() == size * size // 2 or name in ("disk", "motion")


@pytest.mark.parametrize("name", ["sinc", "disk"])
def test_round_kernels_are_the_same_turned_and_mirrored(name):
    kernel = EVERY[name](15, 0.0)
    for other in (kernel.T, kernel.flip(0), kernel.rot90()):
        torch.testing.assert_close(kernel, other, atol=1e-7, rtol=0)


@given(SIGMAS, SIGMAS, ANGLES)
@settings(max_examples=40, deadline=None)
def test_a_gaussian_has_the_covariance_of_its_ellipse(sigma_x, sigma_y, angle):
    found = covariance(kernels.gaussian(41, sigma_x, sigma_y, angle))
    torch.testing.assert_close(found, ellipse(sigma_x, sigma_y, angle), atol=2e-3, rtol=2e-3)


@given(st.floats(1.5, 2.5), st.floats(1.5, 2.5), ANGLES, st.floats(0.6, 2.0))
@settings(max_examples=40, deadline=None)
def test_a_generalized_gaussian_has_the_covariance_of_its_formula(sigma_x, sigma_y, angle, beta):
    """E q = 2^(1/beta) G(2/beta) / G(1/beta) for the density exp(-q^beta / 2) in the plane, a half for each axis."""
    mean = 2 ** (1 / beta) * math.gamma(2 / beta) / math.gamma(1 / beta)
    found = covariance(kernels.generalized_gaussian(81, sigma_x, sigma_y, angle, beta))
    torch.testing.assert_close(found, ellipse(sigma_x, sigma_y, angle) * mean / 2, atol=0.03, rtol=0.02)


def test_with_beta_1_it_is_the_gaussian():
    torch.testing.assert_close(
        kernels.generalized_gaussian(15, 1.1, 2.0, 0.4, 1.0), kernels.gaussian(15, 1.1, 2.0, 0.4), atol=1e-8, rtol=0
    )


def test_a_plateau_falls_to_a_half_at_its_scale():
    kernel = kernels.plateau(21, 4.0, 2.0, 0.0, 3.0)
    middle = float(kernel[10, 10])
    assert float(kernel[10, 14]) == pytest.approx(middle / 2, rel=1e-5)
    assert float(kernel[12, 10]) == pytest.approx(middle / 2, rel=1e-5)
    assert float(kernel[10, 11]) > 0.99 * middle
    turned = kernels.plateau(21, 4.0, 2.0, math.pi / 2, 3.0)
    torch.testing.assert_close(turned, kernel.T)


@pytest.mark.parametrize("cutoff", [math.pi / 4, math.pi / 2, 0.8 * math.pi])
def test_a_sinc_lets_pass_what_is_below_its_cutoff_and_nothing_above(cutoff):
    """Its own ringing aside, which is what it is drawn for: large enough, its spectrum is a disk."""
    size = 101
    spectrum = torch.fft.fft2(kernels.sinc(size, cutoff).double()).abs()
    frequency = torch.fft.fftfreq(size, dtype=torch.float64) * 2 * math.pi
    radius = torch.hypot(frequency[:, None], frequency)
    assert (spectrum[radius < 0.85 * cutoff] - 1).abs().max() < 0.1
    assert spectrum[(radius > 1.15 * cutoff)].max() < 0.1


@given(st.floats(2.0, 3.8))
@settings(max_examples=20, deadline=None)
def test_a_disk_has_its_area_and_its_second_moment(radius):
    kernel = kernels.disk(9, radius)
    assert float(1 / kernel.max()) == pytest.approx(math.pi * radius**2, rel=0.02)
    # A quarter of the squared radius, and a twelfth for the square of each pixel that sees the disk.
    expected = torch.eye(2, dtype=torch.float64) * (radius**2 / 4 + 1 / 12)
    torch.testing.assert_close(covariance(kernel), expected, atol=0.03, rtol=0.03)


@given(st.floats(1.0, 12.0), ANGLES)
@settings(max_examples=30, deadline=None)
def test_motion_spreads_along_its_direction_and_hardly_across(length, angle):
    found = covariance(kernels.motion(21, length, angle))
    along = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
    across = torch.tensor([-math.sin(angle), math.cos(angle)], dtype=torch.float64)
    # Of a segment a twelfth of the squared length; linear interpolation adds up to a quarter of a pixel.
    assert length**2 / 12 - 0.01 <= float(along @ found @ along) <= length**2 / 12 + 0.27
    assert float(across @ found @ across) <= 0.27


def test_a_side_that_has_no_middle_is_refused():
    with pytest.raises(ValueError, match="odd, not 8"):
        kernels.gaussian(8, 1, 1, 0)
