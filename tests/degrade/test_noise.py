import pytest
import torch

from aimanga.degrade.noise import camera_noise, gaussian_noise, poisson_noise


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


def flat(level, size=256, channels=3):
    return torch.full((1, channels, size, size), level)


def correlation(noise):
    """Between the channels of 1 x C x H x W."""
    return torch.corrcoef(noise[0].flatten(1))


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("sigma", [1.0, 12.5, 30.0])
def test_gaussian_noise_has_its_mean_deviation_and_correlation(sigma, shared):
    noise = gaussian_noise(flat(0.5), sigma, dice(), shared=shared) - 0.5
    assert float(noise.mean()) * 255 == pytest.approx(0, abs=4 * sigma / 256)
    assert float(noise.std()) * 255 == pytest.approx(sigma, rel=0.01)
    expected = torch.ones(3, 3) if shared else torch.eye(3)
    torch.testing.assert_close(correlation(noise), expected, atol=0.02, rtol=0)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_poisson_noise_grows_with_the_light(scale, shared):
    """The variance of light counted in units of 1/white is light / white; a ramp of 256 levels makes white 256."""
    ramp = (torch.arange(256.0) / 255).view(1, 1, 1, 256).expand(1, 3, 4096, 256)
    noise = poisson_noise(ramp, scale, dice(), shared=shared) - ramp
    variance = noise.var((0, 1, 2) if not shared else (0, 2)).view(-1, 256)[0]
    expected = scale**2 * ramp[0, 0, 0] / 256
    assert float(noise.mean()) == pytest.approx(0, abs=5e-4)
    for level in (16, 64, 128, 250):
        assert float(variance[level]) == pytest.approx(float(expected[level]), rel=0.1)
    if shared:
        assert torch.equal(noise[:, 0], noise[:, 1]) or (noise[:, 0] - noise[:, 1]).abs().max() < 1e-6
    else:
        assert correlation(noise)[0, 1].abs() < 0.01


def test_of_few_levels_the_counts_are_few_and_the_noise_is_strong():
    """As many counts at white as there are levels: of two levels two, of three four."""
    two = flat(1.0)
    two[..., :128] = 0
    noise = poisson_noise(two, 1.0, dice()) - two
    assert (noise[..., :128] == 0).all()
    assert float(noise[..., 128:].var()) == pytest.approx(1 / 2, rel=0.02)
    three = two.clone()
    three[..., 200:] = 0.5
    assert float((poisson_noise(three, 1.0, dice()) - three)[..., 200:].var()) == pytest.approx(0.5 / 4, rel=0.02)


def test_camera_noise_has_the_variance_of_its_formula_at_the_photosites():
    shot, read = 0.002, 0.004
    for level in (0.3, 0.6, 0.9):
        x = flat(level, 512)
        light = level**2.2
        noise = camera_noise(x, shot, read, dice()) ** 2.2 - light
        sites = noise[0, 0, 0::2, 0::2]
        assert float(sites.mean()) == pytest.approx(0, abs=4e-4)
        assert float(sites.var()) == pytest.approx(shot * light + read**2, rel=0.03)


def test_demosaicing_correlates_neighbours_and_not_colours():
    noise = camera_noise(flat(0.5, 512), 0.002, 0.002, dice()) - 0.5
    torch.testing.assert_close(correlation(noise), torch.eye(3), atol=0.02, rtol=0)
    red, green = noise[0, 0], noise[0, 1]
    for plane in (red, green):
        beside = torch.corrcoef(torch.stack([plane[:, 1:].flatten(), plane[:, :-1].flatten()]))[0, 1]
        assert beside > 0.4
    # Between two red photosites stands their mean.
    light = camera_noise(flat(0.5, 64), 0.002, 0.002, dice())[0, 0] ** 2.2
    torch.testing.assert_close(light[0::2, 1:-2:2], (light[0::2, 0:-2:2] + light[0::2, 2::2]) / 2)


@pytest.mark.parametrize(
    "add",
    [
        lambda x, g: gaussian_noise(x, 10, g),
        lambda x, g: poisson_noise(x, 1, g),
        lambda x, g: camera_noise(x, 0.01, 0.01, g),
    ],
)
def test_only_the_generator_decides(add):
    x = torch.rand(1, 3, 20, 30)
    torch.manual_seed(1)
    one = add(x, dice(7))
    torch.manual_seed(2)
    assert torch.equal(one, add(x, dice(7)))
    assert not torch.equal(one, add(x, dice(8)))
