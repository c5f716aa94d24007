"""Against hand-solved cases, the plain definition, and published numbers of Set5."""

import math

import numpy as np
import pytest
import torch

from aimanga.errors import PictureError
from aimanga.images import read
from aimanga.metrics import compared
from aimanga.metrics.psnr import psnr
from aimanga.tensors import from_array, resize


def test_an_error_of_one_level_everywhere():
    x = torch.full((1, 3, 20, 30), 100 / 255)
    assert float(psnr(x + 1 / 255, x, channel="rgb")) == pytest.approx(20 * math.log10(255), abs=1e-4)
    # In luma of video range a level counts 219/255 of itself.
    assert float(psnr(x + 1 / 255, x)) == pytest.approx(20 * math.log10(255 * 255 / 219), abs=1e-4)


def test_equal_pictures_are_infinitely_good():
    x = torch.rand(2, 3, 20, 20)
    assert psnr(x, x).tolist() == [math.inf, math.inf]


@pytest.mark.parametrize("channel", ["y", "rgb"])
def test_the_definition(monkeypatch, channel):
    """Sizes of 41 x 50 become 40 x 48, of which 32 x 40 are left."""
    monkeypatch.setattr(compared, "_STRIP_PIXELS", 300)
    x, y = torch.rand(2, 2, 3, 41, 50, dtype=torch.float64)
    a, b = (z[:, :, 4:36, 4:44].numpy() * 255 for z in (x, y))
    if channel == "y":
        a, b = (np.tensordot([65.481, 128.553, 24.966], z, (0, 1)) / 255 for z in (a, b))
        mse = ((a - b) ** 2).mean((1, 2))
    else:
        mse = ((a - b) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(psnr(x, y, channel=channel).numpy(), 10 * np.log10(255**2 / mse))


@pytest.mark.parametrize(
    ("name", "published"), [("baby", 31.78), ("bird", 30.18), ("butterfly", 22.10), ("head", 31.59), ("woman", 26.46)]
)
def test_bicubic_on_set5_is_what_papers_report(shared_data, name, published):
    """The first column of every table since C. Dong et al., "Image super-resolution using deep networks", 2014."""
    high = next((shared_data / "set5").rglob(f"*HR*/*{name}*.png"))
    low = next(path for path in (shared_data / "set5").rglob(f"*{name}*.png") if "LR" in str(path))
    hr, lr = (from_array(read(path).pixels) for path in (high, low))
    hr = hr[:, :, : lr.shape[2] * 4, : lr.shape[3] * 4]
    enlarged = resize(lr, *hr.shape[2:]).clamp(0, 1).mul(255).round() / 255
    assert float(psnr(enlarged, hr)) == pytest.approx(published, abs=0.06)


def test_what_cannot_be_compared_is_an_error():
    with pytest.raises(PictureError, match="picture has 20 x 30 pixels, its reference 20 x 31"):
        psnr(torch.rand(1, 3, 30, 20), torch.rand(1, 3, 31, 20))
    with pytest.raises(PictureError, match="12 x 12 pixels or more"):
        psnr(torch.rand(1, 3, 11, 30), torch.rand(1, 3, 11, 30))
    with pytest.raises(ValueError, match="y or rgb"):
        psnr(torch.rand(1, 3, 30, 30), torch.rand(1, 3, 30, 30), channel="hsv")
