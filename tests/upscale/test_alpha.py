import pytest
import torch
import torch.nn.functional as F

from aimanga.upscale.alpha import bleed, bleed_rows, bound_by_neighbours


def test_hidden_pixels_take_the_colour_of_what_is_visible_near_them():
    """A red disc on transparent black, left, and a blue one, right."""
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(80.0), indexing="ij")
    left, right = ((rows - 20) ** 2 + (columns - centre) ** 2 < 100 for centre in (20, 60))
    alpha = (left | right).float()[None, None]
    rgb = torch.stack((left.float(), torch.zeros(40, 80), right.float()))[None]
    filled = bleed(rgb, alpha)
    visible = alpha[0, 0] > 0
    assert torch.equal(filled[:, :, visible], rgb[:, :, visible])
    around_left = ((rows - 20) ** 2 + (columns - 20) ** 2 < 160) & ~visible
    around_right = ((rows - 20) ** 2 + (columns - 60) ** 2 < 160) & ~visible
    torch.testing.assert_close(filled[0, :, around_left].mean(1), torch.tensor([1.0, 0, 0]), atol=0.1, rtol=0)
    torch.testing.assert_close(filled[0, :, around_right].mean(1), torch.tensor([0.0, 0, 1]), atol=0.1, rtol=0)


def test_a_picture_of_one_row_is_filled_too():
    alpha = torch.zeros(1, 1, 1, 16)
    alpha[..., :8] = 1
    filled = bleed(torch.full((1, 1, 1, 16), 0.9) * alpha, alpha)
    assert filled[..., 8:10].min() > 0.8


def test_an_opaque_picture_is_not_changed():
    rgb = torch.rand(1, 3, 9, 14)
    torch.testing.assert_close(bleed(rgb, torch.ones(1, 1, 9, 14)), rgb)


def test_without_anything_visible_it_is_gray():
    torch.testing.assert_close(bleed(torch.rand(1, 3, 5, 7), torch.zeros(1, 1, 5, 7)), torch.full((1, 3, 5, 7), 0.5))


def test_one_visible_pixel_fills_a_tiny_picture():
    alpha = torch.zeros(1, 1, 3, 3)
    alpha[0, 0, 1, 1] = 1
    filled = bleed(torch.full((1, 1, 3, 3), 0.25) * alpha, alpha)
    torch.testing.assert_close(filled, torch.full((1, 1, 3, 3), 0.25), atol=0.1, rtol=0)


@pytest.mark.parametrize("height", [1, 63, 64, 65, 300])
@pytest.mark.parametrize("cut", [1, 50, 64, 129, 300])
def test_by_rows_it_is_the_same(height, cut):
    generator = torch.Generator().manual_seed(height)
    alpha = (torch.rand(1, 1, height, 40, generator=generator) > 0.999).float()
    x = torch.cat((torch.rand(1, 3, height, 40, generator=generator), alpha), 1)
    made = torch.cat(list(bleed_rows(torch.split(x, cut, 2), height)), 2)
    torch.testing.assert_close(made, bleed(x[:, :3], alpha), atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(16, 24), (40, 60), (33, 50), (64, 96)])
def test_the_bound_is_that_of_the_nearest_pixels_by_rows_too(size):
    """Against PyTorch's own nearest resize of the whole."""
    alpha = torch.rand(1, 1, 24, 16, generator=torch.Generator().manual_seed(0))
    ringing = torch.rand(1, 1, size[1], size[0], generator=torch.Generator().manual_seed(1))
    bounds = [F.interpolate(F.max_pool2d(x, 3, 1, 1), size[::-1], mode="nearest-exact") for x in (alpha, -alpha)]
    bands = iter(torch.split(ringing, 7, 2))
    made = torch.cat(list(bound_by_neighbours(bands, iter(torch.split(alpha, 5, 2)), (16, 24), size)), 2)
    assert torch.equal(made, ringing.clamp(-bounds[1], bounds[0]))


def test_upscaled_alpha_stays_within_its_neighbours():
    alpha = torch.zeros(1, 1, 8, 8)
    alpha[:, :, :, 4:] = 1
    ringing = torch.linspace(-0.2, 1.2, 32).view(1, 1, 1, 32).expand(1, 1, 32, 32)
    (bounded,) = bound_by_neighbours(iter([ringing]), iter([alpha]), (8, 8), (32, 32))
    assert bounded[..., :12].abs().max() == 0  # three columns that see nothing but 0
    assert bounded[..., 20:].min() == 1
    assert torch.equal(bounded[..., 12:20], ringing[..., 12:20].clamp(0, 1))
