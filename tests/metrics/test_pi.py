"""Against its definition, from the parts."""

import pytest
import torch

from aimanga.errors import PictureError
from aimanga.images import read
from aimanga.metrics.levels import luma_levels
from aimanga.metrics.niqe import niqe_of_levels
from aimanga.metrics.nrqm import load_nrqm
from aimanga.metrics.pi import perceptual_index
from aimanga.tensors import from_array
from aimanga.weights import weight_file


def test_it_is_half_of_niqe_and_of_what_nrqm_lacks_of_ten(random_weights, samples):
    nrqm = load_nrqm(weight_file("nrqm").path)
    picture = from_array(read(samples / "lionfish.jpg").pixels)
    y = luma_levels(picture)[:, :, 4:-4, 4:-4]
    expected = (float(niqe_of_levels(y[0, 0])) + 10 - float(nrqm(y / 255))) / 2
    assert perceptual_index(picture, nrqm).tolist() == pytest.approx([expected], abs=1e-6)


def test_too_small_pictures_are_an_error():
    with pytest.raises(PictureError, match="PI needs 200 x 104 pixels or more"):
        perceptual_index(torch.rand(1, 3, 103, 400), None)
