import pytest
import torch

from aimanga.models import RRDBNet, SRVGGNetCompact
from aimanga.models.summary import summarize


def test_the_published_figures():
    """16.70 M parameters as published; 17.9 M multiply-adds for each pixel of the input."""
    summary = summarize(RRDBNet())
    assert summary.parameters == 16_697_987
    assert summary.multiply_adds == 17_926_848
    # 347 convolutions of 3x3 at the input's resolution reach 347 pixels; one at twice, three at four times that.
    assert summary.receptive_field == 2 * (347 + 2) + 1


@pytest.mark.parametrize("upsampler", ["nearest", "pixelshuffle"])
def test_multiply_adds_counted_by_hand(upsampler):
    f, g = 8, 4
    network = RRDBNet(features=f, blocks=1, growth=g, attention="pixel", upsampler=upsampler)
    dense = sum((f + n * g) * g for n in range(4)) + (f + 4 * g) * f
    body = 9 * (3 * f + 3 * dense + f * f) + f * f  # and the attention, 1x1
    tail = 9 * (4 * f * f + 16 * f * f + 16 * f * f + 16 * f * 3)  # PixelShuffle computes as much, elsewhere
    assert summarize(network).multiply_adds == body + tail


@pytest.mark.parametrize(("convs", "field"), [(1, 7), (16, 37), (32, 69)])
def test_of_a_chain_each_convolution_adds_two_pixels(convs, field):
    assert summarize(SRVGGNetCompact(features=4, convs=convs)).receptive_field == field == 2 * (convs + 2) + 1


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_an_impulse_through_a_network_of_ones_reaches_just_as_far(scale):
    network = RRDBNet(features=4, blocks=1, growth=4, scale=scale).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.fill_(name.endswith("weight"))
    reach = summarize(network).receptive_field // 2
    height = 8 * reach // 4 * 4
    seen = []
    for row in range(height // 2, height // 2 + network.size_multiple):
        x = torch.zeros(1, 3, height, 4)
        x[:, :, row] = 1
        with torch.no_grad():
            reached = network(x).sum((0, 1, 3)).nonzero() // scale
        seen += [row - int(reached.min()), int(reached.max()) - row]
    assert max(seen) == reach


def test_channel_attention_sees_the_whole_picture():
    assert summarize(RRDBNet(features=8, blocks=1, attention="channel")).receptive_field is None


def test_it_does_not_touch_the_network_or_the_random_state():
    network = RRDBNet(features=8, blocks=1, growth=4)
    before, state = {n: t.clone() for n, t in network.state_dict().items()}, torch.get_rng_state()
    summarize(network)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
