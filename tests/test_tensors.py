import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from aimanga.images import read
from aimanga.tensors import from_array, luma, resize, to_array

SET5 = ("baby", "bird", "butterfly", "head", "woman")


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 6), st.integers(1, 6), st.sampled_from([1, 3])),
    )
)
def test_samples_survive_the_way_to_a_tensor_and_back(array):
    tensor = from_array(array)
    assert tensor.shape == (1, array.shape[2], *array.shape[:2])
    assert 0 <= float(tensor.min()) <= float(tensor.max()) <= 1
    np.testing.assert_array_equal(to_array(tensor, array.dtype), array)


def test_values_are_clipped_and_rounded_to_the_nearest_level():
    tensor = torch.tensor([-1.0, 0.0, 0.4999 / 255, 0.5001 / 255, 1.0, 7.0]).view(1, 1, 1, 6)
    assert to_array(tensor, np.uint8).ravel().tolist() == [0, 0, 0, 1, 255, 255]


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="float32"):
        from_array(np.zeros((2, 2, 3), np.float32))


def test_luma_of_white_black_and_primaries_is_that_of_bt601():
    colours = torch.tensor([[1.0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]).view(5, 3, 1, 1)
    expected = torch.tensor([235, 16, 81.481, 144.553, 40.966]) / 255
    torch.testing.assert_close(luma(colours).flatten(), expected)


@pytest.mark.parametrize("name", SET5)
def test_reduction_agrees_with_matlab_on_set5(shared_data, name):
    """Set5's LR pictures were made by MATLAB's imresize, which rounds to 8 bits between its two passes."""
    hr = torch.from_numpy(read(shared_data / "set5/HR" / f"{name}.png").pixels).permute(2, 0, 1)[None].double()
    lr = torch.from_numpy(read(shared_data / "set5/LRx4" / f"{name}x4.png").pixels).permute(2, 0, 1)[None].double()
    height, width = lr.shape[2:]
    halfway = matlab_round(resize(hr[:, :, : 4 * height, : 4 * width], height, 4 * width))
    assert torch.equal(matlab_round(resize(halfway, height, width)), lr)


def matlab_round(levels):
    return (levels + 0.5).floor().clamp(0, 255)


@pytest.mark.parametrize(("size", "target"), [((40, 30), (97, 71)), ((64, 48), (20, 15)), ((33, 21), (132, 84))])
def test_inside_of_the_border_it_agrees_with_pillow(size, target):
    """Pillow has the same kernel and the same widening, but other borders."""
    values = np.random.default_rng(0).random(size[::-1]).astype(np.float32)
    theirs = np.asarray(Image.fromarray(values, "F").resize(target, Image.Resampling.BICUBIC))
    ours = resize(torch.from_numpy(values)[None, None], target[1], target[0])[0, 0].numpy()
    margin = int(np.ceil(3 * max(1, target[0] / size[0])))
    inside = np.s_[margin:-margin, margin:-margin]
    np.testing.assert_allclose(ours[inside], theirs[inside], atol=2e-6)


def test_a_border_sample_is_repeated_once_mirrored():
    """Solved by hand: x2 of [0, 1]; weights of the cubic at distances 1.25, .25, .75, 1.75 (Keys, a = -1/2)."""
    ours = resize(torch.tensor([0.0, 1.0]).view(1, 1, 1, 2), 1, 4).flatten()
    w125, w025, w075, w175 = -0.0703125, 0.8671875, 0.2265625, -0.0234375
    # The samples around output 0 (at -0.25) are -2, -1, 0, 1 -> mirrored to 1, 0, 0, 1.
    first = w175 * 1 + w075 * 0 + w025 * 0 + w125 * 1
    # Around output 1 (at 0.25): -1, 0, 1, 2 -> 0, 0, 1, 1.
    second = w125 * 0 + w025 * 0 + w075 * 1 + w175 * 1
    torch.testing.assert_close(ours, torch.tensor([first, second, 1 - second, 1 - first]))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 40), st.integers(1, 40))
def test_a_flat_picture_stays_flat_at_any_size(height, width, new_height, new_width):
    result = resize(torch.full((1, 2, height, width), 0.3), new_height, new_width)
    torch.testing.assert_close(result, torch.full((1, 2, new_height, new_width), 0.3))


def test_resizing_to_the_same_size_changes_nothing():
    picture = torch.rand(1, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    assert torch.equal(resize(picture, 5, 7), picture)
