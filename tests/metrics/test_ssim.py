"""Against hand-solved cases and SciPy's Gaussian filter."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from aimanga.errors import PictureError
from aimanga.metrics import compared
from aimanga.metrics.ssim import ssim


def plain(x, y):
    """On one channel, levels up to 255, with SciPy."""

    def window(z):
        return ndimage.gaussian_filter(z, 1.5, radius=5)[5:-5, 5:-5]

    mean_x, mean_y = window(x), window(y)
    var_x, var_y, cov = window(x * x) - mean_x**2, window(y * y) - mean_y**2, window(x * y) - mean_x * mean_y
    c1, c2 = 2.55**2, 7.65**2
    return np.mean(
        (2 * mean_x * mean_y + c1) * (2 * cov + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    )  # fmt: skip


@pytest.mark.parametrize("channel", ["y", "rgb"])
@pytest.mark.parametrize("pixels", [1, 2**17])
def test_the_definition(monkeypatch, channel, pixels):
    monkeypatch.setattr(compared, "_STRIP_PIXELS", pixels)
    x, y = torch.rand(2, 2, 3, 61, 50, dtype=torch.float64)
    y = (x + y) / 2
    for picture, reference, found in zip(x, y, ssim(x, y, channel=channel), strict=True):
        planes = np.stack([z[:, 4:56, 4:44].numpy() * 255 for z in (picture, reference)])
        if channel == "y":
            planes = np.tensordot(planes, [65.481 / 255, 128.553 / 255, 24.966 / 255], ([1], [0]))[:, None] + 16
        expected = np.mean([plain(a, b) for a, b in zip(*planes, strict=True)])
        assert float(found) == pytest.approx(expected, abs=1e-12)


def test_equal_pictures_are_one_and_flat_ones_differ_in_brightness_alone():
    x = torch.rand(9, 3, 30, 41)
    assert ssim(x, x).unique().tolist() == ssim(x, x, channel="rgb").unique().tolist() == [1]
    a, b = (torch.full((1, 3, 30, 30), level / 255) for level in (50, 100))
    expected = (2 * 50 * 100 + 2.55**2) / (50**2 + 100**2 + 2.55**2)
    assert float(ssim(a, b, channel="rgb")) == pytest.approx(expected, abs=1e-6)


def test_a_picture_of_which_less_than_the_window_is_left_is_an_error():
    assert ssim(torch.rand(1, 3, 20, 20), torch.rand(1, 3, 20, 20), shave=4).shape == (1,)
    with pytest.raises(PictureError, match="20 x 20 pixels or more"):
        ssim(torch.rand(1, 3, 19, 19), torch.rand(1, 3, 19, 19))
