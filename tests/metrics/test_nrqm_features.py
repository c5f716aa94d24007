import numpy as np
import pytest
import torch

from aimanga.errors import PictureError
from aimanga.images import read
from aimanga.metrics import nrqm_features as module
from aimanga.metrics.nrqm_features import nrqm_features
from aimanga.tensors import from_array, gray
from tests.metrics import plain_nrqm as plain


def levels_of(path):
    return (gray(from_array(read(path).pixels[:, :, :3]).double())[0, 0] * 255).round()


def noise(height, width):
    return torch.randint(0, 256, (height, width), generator=torch.Generator().manual_seed(0)).double()


def test_all_features_are_those_of_the_plain_way(samples):
    """At an odd size, where each half loses a row."""
    levels = levels_of(samples / "lionfish.jpg")[60:147, 80:179]
    found = nrqm_features(levels)
    for kind, expected in zip(found, plain.features(levels.numpy()), strict=True):
        np.testing.assert_allclose(kind.numpy(), expected, rtol=1e-8)


def test_singular_values_are_those_of_the_matrix_of_all_patches(monkeypatch, samples):
    """Down to the smallest, which the eigenvalues of the moments would lose in a picture of few patterns."""
    monkeypatch.setattr(module, "_CHUNK", 30)
    stripes = noise(1, 102).expand(123, 102) / 255 + 1e-10 * noise(123, 102)
    for picture in (levels_of(samples / "owl.jpg")[:123, :102] / 255, stripes):
        found = module._singular_values(picture)
        np.testing.assert_allclose(found.numpy(), plain.singular_values(picture.numpy()), rtol=1e-6)
    assert found[-1] < 1e-8 * found[0]


@pytest.mark.parametrize("name", ["lionfish", "owl", "parrot"])
def test_photos_have_plausible_features(samples, name):
    local, bands, spatial = nrqm_features(levels_of(samples / f"{name}.jpg"))
    assert (len(local), len(bands), len(spatial)) == (18, 45, 75)
    assert all(kind.isfinite().all() for kind in (local, bands, spatial))
    lowest, mean = local.view(3, 6)[:, 0], local.view(3, 6)[:, 1]
    assert ((lowest > 0.1) & (lowest < mean) & (mean < 10)).all()
    assert ((bands[:12] > 1) & (bands[:12] < 4)).all()  # nearly normal
    assert bands[18:].abs().max() <= 1
    assert (spatial.view(3, 25).diff() <= 0).all() and (spatial > 0).all()


def test_blur_lowers_the_smallest_singular_values_most_at_full_size(samples):
    """It takes from fine scales more than from coarse ones."""
    levels = levels_of(samples / "owl.jpg")
    blurred = torch.nn.functional.avg_pool2d(levels[None], 3, 1, 1, count_include_pad=False)[0].round()
    ratio = (nrqm_features(blurred).spatial / nrqm_features(levels).spatial).view(3, 25)[:, -1]
    assert ratio[0] < ratio[1] < ratio[2] < 1


@pytest.mark.parametrize(("height", "width"), [(84, 84), (45, 164), (164, 45), (64, 124)])
def test_the_smallest_pictures(height, width):
    assert all(kind.isfinite().all() for kind in nrqm_features(noise(height, width)))


@pytest.mark.parametrize(("height", "width"), [(83, 84), (44, 500), (45, 163), (64, 123), (500, 44)])
def test_smaller_ones_are_refused(height, width):
    with pytest.raises(PictureError, match=f"84 x 84 pixels or more .* {width} x {height}"):
        nrqm_features(noise(height, width))


def test_a_picture_of_one_level_is_refused_but_one_other_pixel_is_enough():
    flat = torch.full((90, 90), 80.0, dtype=torch.float64)
    with pytest.raises(PictureError, match="flat picture"):
        nrqm_features(flat)
    flat[40, 50] = 81
    assert all(kind.isfinite().all() for kind in nrqm_features(flat))
