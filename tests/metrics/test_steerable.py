import math

import pytest
import torch

from aimanga.metrics.steerable import SteerablePyramid

SIZES = [(64, 48), (45, 62), (33, 71)]


def noise(height, width):
    return torch.randn(height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def wave(height, width, cycles, angle):
    """A cosine with so many cycles over the picture, an angle of 0 meaning changes from left to right."""
    down, right = round(cycles * math.sin(angle)), round(cycles * math.cos(angle))
    y, x = torch.meshgrid(torch.arange(height).double(), torch.arange(width).double(), indexing="ij")
    return (2 * math.pi * (down * y / height + right * x / width)).cos()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_energy_of_all_bands_is_that_of_the_picture(height, width):
    """The squared responses sum to one. Between entries of the tables they do so nearly."""
    picture = noise(height, width)
    pyramid = SteerablePyramid(picture, 2, 6)
    parts = [(pyramid.highpass, 0), (pyramid.lowpass, 2)]
    parts += [(pyramid.band(scale, number), scale) for scale in (0, 1) for number in range(6)]
    energy = sum(part.square().sum() * part.numel() for part, _ in parts) / picture.numel()
    torch.testing.assert_close(energy, picture.square().sum(), rtol=1e-5, atol=0)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_each_scale_is_half_as_large(height, width):
    pyramid = SteerablePyramid(noise(height, width), 2, 6)
    half = (height + 1) // 2, (width + 1) // 2
    assert pyramid.highpass.shape == pyramid.band(0, 5).shape == (height, width)
    assert pyramid.band(1, 0).shape == half
    assert pyramid.lowpass.shape == ((half[0] + 1) // 2, (half[1] + 1) // 2)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_transposed_filters_put_the_picture_together_again(height, width):
    """The filters are found by impulses, independently of the pyramid's own arithmetic; then adjoint and inverse.

    The bands of a picture are circular convolutions, so the spectra of an impulse's bands are the responses.
    """
    impulse = torch.zeros(height, width, dtype=torch.float64)
    impulse[0, 0] = 1
    picture = noise(height, width)
    spectra = []
    for source in (impulse, picture):
        pyramid = SteerablePyramid(source, 2, 6)
        fine = [pyramid.highpass, *(pyramid.band(0, number) for number in range(6))]
        coarse = [pyramid.lowpass, *(pyramid.band(1, number) for number in range(6))]
        spectra.append([enlarged(torch.fft.fft2(part), height, width) for part in fine + coarse])
    responses, parts = spectra
    whole = sum(response.conj() * part for response, part in zip(responses, parts, strict=True))
    total = sum(response.abs().square() for response in responses)
    assert total.min() > 1 - 1e-4 and total.max() < 1 + 1e-4
    torch.testing.assert_close(torch.fft.ifft2(whole / total).real, picture, rtol=0, atol=1e-10)


def enlarged(spectrum, height, width):
    """A spectrum among the frequencies of a larger picture."""
    rows = torch.fft.fftfreq(spectrum.shape[0], 1 / spectrum.shape[0]).long() % height
    columns = torch.fft.fftfreq(spectrum.shape[1], 1 / spectrum.shape[1]).long() % width
    result = torch.zeros(height, width, dtype=spectrum.dtype)
    result[rows[:, None], columns] = spectrum
    return result


@pytest.mark.parametrize(("scale", "cycles"), [(0, 32), (1, 16)])
@pytest.mark.parametrize("number", range(6))
def test_a_wave_lands_in_the_band_of_its_frequency_and_orientation(scale, cycles, number):
    pyramid = SteerablePyramid(wave(128, 128, cycles, math.pi * number / 6), 2, 6)
    energy = torch.tensor([[pyramid.band(s, n).square().mean() / 16**s for n in range(6)] for s in (0, 1)])
    assert energy.argmax() == 6 * scale + number
    # At its centre an octave takes all, and of the orientations this one cos^10(0) among the sum of cos^10.
    assert energy[scale].sum() == pytest.approx(0.5, rel=0.02)
    share = sum(math.cos(math.pi * n / 6) ** 10 for n in range(6))
    assert energy[scale, number] == pytest.approx(0.5 / share, rel=0.05)


def test_a_constant_is_in_the_low_pass_residual_alone():
    pyramid = SteerablePyramid(torch.full((40, 44), 3.0, dtype=torch.float64), 2, 6)
    torch.testing.assert_close(pyramid.lowpass, torch.full((10, 11), 48.0, dtype=torch.float64))  # 3, twice times 4
    assert max(pyramid.band(scale, n).abs().max() for scale in (0, 1) for n in range(6)) < 1e-9
    assert pyramid.highpass.abs().max() < 1e-9


def test_a_picture_that_is_too_small_is_refused():
    SteerablePyramid(noise(16, 16), 2, 6)
    with pytest.raises(ValueError, match="16 pixels a side, not 90 x 15"):
        SteerablePyramid(noise(15, 90), 2, 6)
