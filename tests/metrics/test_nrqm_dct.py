"""Against SciPy's DCT, block by block (the plain way of the benchmark)."""

import numpy as np
import pytest
import torch

from aimanga.metrics import nrqm_dct
from aimanga.metrics.nrqm_dct import block_features
from tests.metrics import plain_nrqm as plain


@pytest.mark.parametrize(("height", "width"), [(23, 31), (24, 30)])
def test_the_features_are_those_of_single_blocks(height, width):
    """At sizes that fill the last blocks and that do not, with zeros beyond the border."""
    picture = np.random.default_rng(0).integers(0, 256, (height, width)) / 255
    found = block_features(torch.from_numpy(picture))
    np.testing.assert_allclose(found.numpy(), plain.block_features(picture), rtol=1e-10)


def test_strips_do_not_change_the_result(monkeypatch):
    picture = torch.rand(100, 41, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    whole = block_features(picture)
    monkeypatch.setattr(nrqm_dct, "_CHUNK", 40)
    torch.testing.assert_close(block_features(picture), whole, rtol=1e-12, atol=0)


def test_each_orientation_has_a_third_of_the_coefficients_and_the_transform_is_orthonormal():
    transform = nrqm_dct._transform()
    torch.testing.assert_close(transform @ transform.T, torch.eye(48, dtype=torch.float64))
    counts = ["".join(nrqm_dct._ORIENTATIONS).count(label) for label in "123"]
    assert counts == [16, 16, 16]


def test_stripes_have_a_favoured_orientation_and_noise_has_none():
    noise = torch.rand(60, 60, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    stripes = noise[:1].expand(60, 60).contiguous()
    assert block_features(stripes)[5] > 4 * block_features(noise)[5]


def test_flat_blocks_have_the_largest_shape_and_no_variation():
    features = block_features(torch.full((90, 90), 0.4, dtype=torch.float64))
    assert features.isfinite().all()
    inner = 28**2 / 30**2  # the others reach over the border
    assert features[1] > 10 * inner and features[3] < features[2] * (1 - inner)
