import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from aimanga.degrade.blur import blur, usm_sharpen
from aimanga.degrade.kernels import gaussian, motion


def direct(x, kernels):
    """The sum over the taps, with PyTorch's own mirroring."""
    reach = kernels.shape[-1] // 2
    padded = F.pad(x, (reach,) * 4, mode="reflect")
    return torch.cat([
        F.conv2d(padded[n : n + 1], kernels[n].expand(x.shape[1], 1, -1, -1), groups=x.shape[1]) for n in range(len(x))
    ])  # fmt: skip


@given(st.integers(22, 50), st.integers(22, 50), st.sampled_from([1, 3, 7, 21]), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_it_is_the_sum_over_the_taps_for_each_picture_its_own(height, width, size, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(3, 2, height, width, generator=generator)
    kernels = torch.rand(3, size, size, generator=generator)
    kernels /= kernels.sum((1, 2), keepdim=True)
    torch.testing.assert_close(blur(x, kernels), direct(x, kernels), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (5, 4)])
def test_pictures_smaller_than_the_kernel_are_mirrored_again_and_again(size):
    flat = torch.full((1, 3, *size), 0.3)
    torch.testing.assert_close(blur(flat, gaussian(21, 3, 3, 0)[None]), flat)
    step = torch.arange(3.0).view(1, 1, 1, 3)
    # Mirrored, the line goes 0 1 2 1 0 1 2 1 0; a kernel of seven equal taps in a row.
    kernel = torch.zeros(1, 7, 7)
    kernel[0, 3] = 1 / 7
    expected = torch.tensor([2 + 1 + 0 + 1 + 2 + 1 + 1, 0 + 1 + 0 + 1 + 2 + 1 + 2, 1 + 0 + 1 + 2 + 1 + 0 + 1]) / 7
    mirrored = torch.tensor([1.0, 2, 1, 0, 1, 2, 1, 0, 1])
    expected = torch.stack([mirrored[n : n + 7].mean() for n in range(3)])
    torch.testing.assert_close(blur(step, kernel).flatten(), expected)


def test_it_does_not_turn_the_kernel_around():
    kernel = torch.zeros(1, 3, 3)
    kernel[0, 0, 2] = 1  # the pixel above on the right
    x = torch.rand(1, 1, 6, 6)
    torch.testing.assert_close(blur(x, kernel)[:, :, 1:, :-1], x[:, :, :-1, 1:], atol=1e-6, rtol=0)


def test_a_picture_does_not_depend_on_what_is_beside_it():
    x = torch.rand(4, 3, 40, 30)
    kernels = torch.stack([gaussian(21, 1 + n, 2, n) for n in range(3)] + [motion(21, 9, 0.3)])
    together = blur(x, kernels)
    for n in range(4):
        assert torch.equal(blur(x[n : n + 1], kernels[n : n + 1]), together[n : n + 1])


def test_sharpening_steepens_edges_and_leaves_flat_and_faint_alone():
    x = torch.full((1, 3, 120, 120), 0.3)
    x[..., 60:] = 0.7
    x[:, :, 60:] += 0.01  # fainter than the threshold
    sharp = usm_sharpen(x)
    assert sharp[0, 0, 30, 61] > 0.75 and sharp[0, 0, 30, 58] < 0.25
    torch.testing.assert_close(sharp[..., :10], x[..., :10], atol=1e-5, rtol=0)
    assert ((sharp >= 0) & (sharp <= 1)).all()
