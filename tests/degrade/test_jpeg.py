"""Against the real codec: the coefficients in its files, and the pictures it makes of them."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from aimanga.degrade.jpeg import jpeg, quantization_tables, quantized
from aimanga.images import read
from aimanga.images.codec import recompressed
from aimanga.tensors import from_array, to_array
from tests.degrade.jpeg_file import coefficients_in

MODES = {"4:2:0": 2, "4:4:4": 0}


def encoded(pixels, quality, subsampling):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=MODES[subsampling])
    return buffer.getvalue()


@pytest.fixture(scope="module")
def pictures(samples):
    photo = read(samples / "parrot.jpg").pixels
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    return {"photo": photo[:160, :176], "odd": photo[:77, :101], "noise": noise}


@pytest.mark.parametrize("quality", [1, 10, 30, 49, 50, 75, 90, 95, 100])
def test_the_tables_are_those_of_the_real_codec(quality):
    theirs = Image.open(io.BytesIO(encoded(np.zeros((8, 8, 3), np.uint8), quality, "4:4:4"))).quantization
    luminance, cb, cr = (table[0] for table in quantization_tables(quality))
    assert luminance.flatten().int().tolist() == list(theirs[0])
    assert cb.flatten().int().tolist() == cr.flatten().int().tolist() == list(theirs[1])


@pytest.mark.parametrize("subsampling", MODES)
@pytest.mark.parametrize("quality", [30, 60, 95])
@pytest.mark.parametrize("name", ["photo", "odd", "noise"])
def test_the_coefficients_are_those_in_the_file_within_rounding(pictures, name, quality, subsampling):
    pixels = pictures[name]
    theirs = coefficients_in(encoded(pixels, quality, subsampling))
    ours = quantized(from_array(pixels), quality, subsampling)
    for one, other in zip(ours, theirs, strict=True):
        rows, columns = one.shape[1:3]
        difference = (one[0].numpy() - other[:rows, :columns]).astype(int)
        # The codec's integer arithmetic rounds a little differently: by 1, where a value lies just at a border, of
        # which there are more the finer the steps are.
        assert np.abs(difference).max() <= 1
        assert (difference != 0).mean() < (0.03 if quality > 90 else 0.01)


@pytest.mark.parametrize("subsampling", MODES)
@pytest.mark.parametrize("quality", [30, 75, 95])
@pytest.mark.parametrize("name", ["photo", "odd"])
def test_the_picture_is_that_of_the_real_codec(pictures, name, quality, subsampling):
    pixels = pictures[name]
    ours = to_array(jpeg(from_array(pixels), quality, subsampling), np.uint8).astype(int)
    theirs = recompressed(pixels, "jpeg", quality, subsampled=subsampling == "4:2:0").astype(int)
    difference = np.abs(ours - theirs)
    assert difference.mean() < 0.3
    assert np.quantile(difference, 0.99) <= 3


def test_each_picture_of_a_batch_has_its_own_quality(pictures):
    x = from_array(pictures["photo"]).expand(3, -1, -1, -1)
    together = jpeg(x, torch.tensor([20.0, 50.0, 90.0]))
    for n, quality in enumerate((20, 50, 90)):
        torch.testing.assert_close(together[n : n + 1], jpeg(x[:1], quality), atol=1e-6, rtol=0)
    errors = (together - x).square().mean((1, 2, 3))
    assert errors[0] > errors[1] > errors[2]


def test_the_gradient_gets_through(pictures):
    x = from_array(pictures["odd"]).requires_grad_()
    jpeg(x, 50).sum().backward()
    assert x.grad.isfinite().all()
    assert float(x.grad.mean()) == pytest.approx(1, abs=0.1)


def test_another_subsampling_is_refused():
    with pytest.raises(ValueError, match="4:2:2: colour is kept as 4:2:0 or 4:4:4"):
        jpeg(torch.rand(1, 3, 16, 16), 50, "4:2:2")
