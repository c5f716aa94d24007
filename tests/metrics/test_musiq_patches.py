"""Against cases solved by hand, and what TensorFlow 2.21 gives."""

import math

import pytest
import torch

from aimanga.errors import PictureError
from aimanga.metrics.musiq_patches import (
    cut_patches,
    hashed_positions,
    multiscale_patches,
    resize_gaussian,
    resized_size,
    same_padding,
)


def noise(height, width):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize(
    ("count", "rows"),
    [
        (1, [0]),
        (3, [0, 3, 6]),
        (7, [0, 1, 2, 4, 5, 7, 8]),
        (10, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (13, [0, 0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9]),
    ],
)
def test_rows_and_columns_are_hashed_as_by_hand(count, rows):
    assert hashed_positions(count, 1).tolist() == [10 * row for row in rows]
    assert hashed_positions(1, count).tolist() == rows


def test_positions_go_row_by_row():
    assert hashed_positions(2, 3).tolist() == [0, 3, 6, 50, 53, 56]


def test_positions_of_a_giant_are_those_of_tensorflow():
    """TensorFlow computes in float32, where 41 * (10 / 205) is just below 2."""
    assert hashed_positions(1, 205)[[40, 41, 42, 82, 123, 204]].tolist() == [1, 1, 2, 3, 6, 9]


@pytest.mark.parametrize(
    ("size", "long_side", "expected"),
    [
        ((480, 640), 224, (168, 224)),
        ((1080, 1920), 384, (216, 384)),
        ((5, 7), 384, (274, 384)),  # 274.3: small pictures are enlarged
        ((448, 3), 224, (224, 2)),  # 1.5, a half to even
        ((448, 5), 224, (224, 2)),  # 2.5, likewise
        ((1, 447), 224, (1, 224)),
    ],
)
def test_the_long_side_is_resized_and_the_short_one_follows(size, long_side, expected):
    assert resized_size(*size, long_side) == expected


def test_a_resize_to_the_same_size_blurs_as_in_tensorflow():
    ramp = torch.arange(25.0).reshape(1, 1, 5, 5)
    blurred = resize_gaussian(ramp, 5, 5)[0, 0]
    first = torch.tensor([0.7152174, 1.5960144, 2.5960145, 3.596014, 4.4768105])  # printed by TensorFlow 2.21
    torch.testing.assert_close(blurred[0], first, rtol=0, atol=1e-6)
    side = math.exp(-2)  # one pixel away is two deviations away
    assert blurred[0, 0].item() == pytest.approx(6 * side / (1 + side))


def test_a_reduction_looks_at_no_more_than_its_neighbours():
    """At half the size a sample lies between two pixels; those 1.5 away are out of reach: it is the mean of two."""
    x = noise(4, 8)
    pairs = x.unflatten(3, (4, 2)).mean(4).unflatten(2, (2, 2)).mean(3)
    torch.testing.assert_close(resize_gaussian(x, 2, 4), pairs)
    # At a quarter two of four pixels are never looked at.
    torch.testing.assert_close(resize_gaussian(x, 4, 2)[..., 0], resize_gaussian(x[..., 1:3], 4, 1)[..., 0])


def test_an_enlargement_weighs_by_distance():
    row = torch.tensor([1.0, 5.0, 2.0]).reshape(1, 1, 1, 3)
    near, far = math.exp(-0.125), math.exp(-3.125)  # 0.25 and 1.25 pixels away
    middle = math.exp(-1.125)  # 0.75 pixels away
    made = resize_gaussian(row, 1, 6)[0, 0, 0].tolist()
    assert made[0] == pytest.approx((near * 1 + far * 5) / (near + far), rel=1e-5)
    assert made[1] == pytest.approx((near * 1 + middle * 5) / (near + middle), rel=1e-5)
    assert made[2] == pytest.approx((middle * 1 + near * 5 + far * 2) / (middle + near + far), rel=1e-5)


@pytest.mark.parametrize(
    ("length", "window", "stride", "expected"),
    [
        (32, 7, 2, (2, 3)),  # the root's convolution
        (16, 3, 2, (0, 1)),  # its pooling
        (8, 3, 1, (1, 1)),
        (8, 1, 1, (0, 0)),
        (35, 32, 32, (14, 15)),  # 29 missing
        (64, 32, 32, (0, 0)),
    ],
)
def test_same_padding_as_by_hand(length, window, stride, expected):
    assert same_padding(length, window, stride) == expected


def test_incomplete_patches_are_filled_with_zeros_on_both_sides():
    x = noise(35, 40)
    patches = cut_patches(x)
    assert patches.shape == (2, 2, 3, 32, 32)
    # 64 - 35 = 29 rows are missing, 14 of them above; 64 - 40 = 24 columns, 12 of them to the left.
    assert torch.equal(patches[0, 0, :, 14:, 12:], x[0, :, :18, :20])
    assert torch.equal(patches[0, 1, :, 14:, :20], x[0, :, :18, 20:])
    assert torch.equal(patches[1, 0, :, :17, 12:], x[0, :, 18:, :20])
    assert torch.equal(patches[1, 1, :, :17, :20], x[0, :, 18:, 20:])
    assert int(patches.count_nonzero()) == int(x.count_nonzero())


def test_three_scales_follow_each_other():
    x = noise(64, 96)
    pixels, positions, scales = multiscale_patches(x)
    # 149 x 224 is 5 x 7 patches, 256 x 384 is 8 x 12, 64 x 96 is 2 x 3.
    assert scales.tolist() == [0] * 35 + [1] * 96 + [2] * 6
    assert pixels.shape == (137, 3, 32, 32) and pixels.dtype == torch.float32
    assert torch.equal(positions, torch.cat([hashed_positions(5, 7), hashed_positions(8, 12), hashed_positions(2, 3)]))
    assert torch.equal(pixels[131 + 4], x[0, :, 32:, 32:64])
    assert torch.equal(pixels[35 + 13], resize_gaussian(x, 256, 384)[0, :, 32:64, 32:64])


@pytest.mark.parametrize("size", [(1, 1), (1, 447), (447, 1), (31, 33)])
def test_odd_sizes_have_their_patches(size):
    pixels, positions, scales = multiscale_patches(noise(*size))
    assert len(pixels) == len(positions) == len(scales)
    assert set(scales.tolist()) == {0, 1, 2}
    assert pixels.isfinite().all() and set(positions.tolist()) <= set(range(100))


@pytest.mark.parametrize("size", [(1, 448), (900, 2), (0, 5), (0, 0)])
def test_a_narrow_or_empty_picture_is_refused(size):
    with pytest.raises(PictureError, match=rf"less than 448.*{size[1]} x {size[0]} pixels"):
        multiscale_patches(torch.zeros(1, 3, *size))
