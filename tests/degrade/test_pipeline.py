import numpy as np
import pytest
import torch

from aimanga.degrade import DEGRADATIONS, Sample, degrade, draw, load_degradation
from aimanga.degrade.blur import blur, usm_sharpen
from aimanga.degrade.jpeg import jpeg
from aimanga.degrade.kernels import gaussian, unsharp
from aimanga.degrade.pipeline import KERNELS
from aimanga.degrade.steps import CameraStep, CompressStep, FilterStep, GaussianStep, PoissonStep, ResizeStep, UsmStep
from aimanga.images import read
from aimanga.tensors import from_array


@pytest.fixture(scope="module")
def photo(samples):
    return from_array(read(samples / "lionfish.jpg").pixels)[:, :, :128, :160]


def done(x, *steps, seed=0):
    return degrade(x, [Sample(seed=seed, steps=steps)] * len(x))


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_every_recipe_gives_pictures_of_8_bits_in_its_size(name, photo):
    recipe = load_degradation(name)
    low = degrade(photo.expand(6, -1, -1, -1), [draw(recipe, 128, 160, seed) for seed in range(6)])
    assert low.shape == (6, 3, 32, 40)
    assert torch.equal(low, (low * 255).round() / 255)
    assert torch.equal(low, low.clamp(0, 1))
    # It is still the picture: its mean colours within a few levels.
    assert (low.mean((2, 3)) - photo.mean((2, 3))).abs().max() < 0.06


def test_a_picture_does_not_depend_on_its_batch_nor_on_the_threads(photo):
    recipe = load_degradation("realesrgan")
    samples = [draw(recipe, 128, 160, seed) for seed in range(4)]
    x = torch.cat([photo, photo.flip(2), photo.flip(3), 1 - photo])
    together = degrade(x, samples)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        for n in (3, 0, 2, 1):
            assert torch.equal(degrade(x[n : n + 1], samples[n : n + 1])[0], together[n])
    finally:
        torch.set_num_threads(threads)


def test_the_noise_follows_from_the_sample_alone(photo):
    for step in (
        GaussianStep(sigma=9, gray=False), PoissonStep(scale=1, gray=True), CameraStep(shot=0.01, read=0.01),
    ):  # fmt: skip
        torch.manual_seed(1)
        one = done(photo, step, seed=7)
        torch.manual_seed(2)
        assert torch.equal(one, done(photo, step, seed=7))
        assert not torch.equal(one, done(photo, step, seed=8))


def rounded(x):
    return (x.clamp(0, 1) * 255).round() / 255


def test_each_step_is_its_function(photo):
    assert torch.equal(done(photo, UsmStep()), rounded(usm_sharpen(photo)))
    step = FilterStep(kernel="gaussian", size=9, parameters={"sigma_x": 2.0, "sigma_y": 1.0, "angle": 0.3})
    assert torch.equal(done(photo, step), rounded(blur(photo, gaussian(9, 2, 1, 0.3)[None])))
    assert done(photo, ResizeStep(height=50, width=70, mode="lanczos")).shape == (1, 3, 50, 70)
    assert set(KERNELS) == set(FilterStep.model_fields["kernel"].annotation.__args__)


def test_sharpening_adds_what_a_blur_takes(photo):
    sharp = blur(photo, unsharp(9, 1.2, 0.8)[None])
    expected = photo + 0.8 * (photo - blur(photo, gaussian(9, 1.2, 1.2, 0)[None]))
    torch.testing.assert_close(sharp, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("codec", ["jpeg", "webp", "avif"])
def test_codecs_lose_more_the_lower_the_quality(photo, codec):
    errors = []
    for quality in (10, 40, 90):
        out = done(photo, CompressStep(op=codec, quality=quality, subsampled=True))
        errors.append(float((out - photo).square().mean()))
    assert errors[0] > errors[1] > errors[2] > 0
    assert errors[0] < 0.02


@pytest.mark.parametrize("codec", ["jpeg", "avif"])
def test_subsampling_takes_fine_colour(codec):
    stripes = torch.zeros(1, 3, 32, 32)
    stripes[:, 0] = 0.8
    stripes[:, 1, :, ::2], stripes[:, 1, :, 1::2] = 0.2, 0.6
    stripes[:, 2] = 0.3
    full, halved = (done(stripes, CompressStep(op=codec, quality=95, subsampled=s)) for s in (False, True))
    contrast = [float((x[:, 0] - x[:, 1]).std()) for x in (stripes, full, halved)]
    assert contrast[1] > 0.9 * contrast[0] > contrast[2]


def test_the_codec_in_tensors_is_the_real_one(photo):
    """What a GPU does instead of the codec, on the CPU."""
    for quality in (35, 75):
        for subsampled in (True, False):
            real = done(photo, CompressStep(op="jpeg", quality=quality, subsampled=subsampled))
            ours = jpeg(photo, quality, "4:2:0" if subsampled else "4:4:4")
            assert float((real - ours).abs().mean()) * 255 < 0.5
            assert np.quantile((real - ours).abs().numpy(), 0.99) * 255 < 6.5  # where a coefficient fell the other way
