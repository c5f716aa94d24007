import math

import numpy as np
import pytest
import torch
from PIL import Image

from aimanga.degrade.resize import imresize, resize
from aimanga.images import read
from aimanga.tensors import from_array


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("name", ["baby", "bird", "butterfly", "head", "woman"])
def test_imresize_is_matlabs_byte_for_byte(shared_data, name):
    """Against the published low resolution of Set5, borders included."""
    high = read(shared_data / "set5" / "HR" / f"{name}.png").pixels
    low = read(shared_data / "set5" / "LRx4" / f"{name}x4.png").pixels
    height, width = (side // 4 * 4 for side in high.shape[:2])
    made = imresize(high[:height, :width], height // 4, width // 4)
    assert made.dtype == np.uint8
    assert np.array_equal(made, low)
    # And so is the same on tensors.
    x = resize(from_array(high[:height, :width]), height // 4, width // 4, "matlab")
    assert np.array_equal((x[0].permute(1, 2, 0).numpy() * 255).round(), low)


def test_imresize_shrinks_first_along_the_axis_that_shrinks_more():
    """MATLAB's order; the roundings between tell one order from the other."""
    pixels = noise(64, 64)
    turned = imresize(pixels.transpose(1, 0, 2), 48, 8).transpose(1, 0, 2)
    assert np.array_equal(imresize(pixels, 8, 48), turned)


def test_bilinear_and_bicubic_are_those_of_opencv_and_pytorch_solved_by_hand():
    line = torch.tensor([0.0, 1, 0, 0]).view(1, 1, 1, 4)
    # Centres at 0.5, 2.5: halfway between two samples each.
    torch.testing.assert_close(resize(line, 1, 2, "bilinear").flatten(), torch.tensor([0.5, 0.0]))
    # Keys' kernel with a = -0.75 at 0.5: 0.59375, at 1.5: -0.09375.
    torch.testing.assert_close(resize(line, 1, 2, "bicubic").flatten(), torch.tensor([0.59375, -0.09375]))
    torch.testing.assert_close(resize(line, 1, 2, "area").flatten(), torch.tensor([0.5, 0.0]))


@pytest.mark.parametrize("size", [(16, 20), (31, 17), (60, 90), (12, 80)])
def test_lanczos_is_that_of_pillow(size):
    """Away from the borders, where Pillow cuts the kernel off instead of repeating the sample."""
    values = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    made = resize(torch.from_numpy(values)[None, None], *size, "lanczos")[0, 0].numpy()
    theirs = np.asarray(Image.fromarray(values).resize(size[::-1], Image.Resampling.LANCZOS))
    reach = [math.ceil(3 * max(1, side / whole)) for side, whole in zip(size, (40, 50), strict=True)]
    inner = tuple(slice(r, side - r) for r, side in zip(reach, size, strict=True))
    assert made[inner].size
    np.testing.assert_allclose(made[inner], theirs[inner], atol=2e-6)


@pytest.mark.parametrize("mode", ["area", "bilinear", "bicubic", "lanczos", "matlab"])
@pytest.mark.parametrize("size", [(5, 9), (30, 7), (20, 24), (41, 53)])
def test_a_flat_picture_stays_flat_and_nothing_moves(mode, size):
    flat = torch.full((2, 3, 20, 24), 102 / 255)
    torch.testing.assert_close(resize(flat, *size, mode), torch.full((2, 3, *size), 102 / 255))
    ramp = (torch.arange(24) / 51).view(1, 1, 1, 24).expand(1, 3, 20, 24)
    centre = resize(ramp, *size, mode).mean(3)
    torch.testing.assert_close(centre, torch.full_like(centre, float(ramp.mean())), atol=0.01, rtol=0)


@pytest.mark.parametrize(
    ("mode", "aliases"), [("area", False), ("lanczos", False), ("matlab", False), ("bilinear", True)]
)
def test_what_is_finer_than_the_result_vanishes_or_aliases(mode, aliases):
    stripes = torch.tensor([0.2, 0.8]).repeat(64).view(1, 1, 1, 128).expand(1, 3, 16, 128)
    shrunk = resize(stripes, 4, 25, mode)[..., 3:-3]
    assert (float(shrunk.std()) > 0.05) == aliases


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="nearest: pictures are resized by area, bilinear"):
        resize(torch.rand(1, 3, 4, 4), 2, 2, "nearest")
