"""Streaming has to give what the network gives for the whole picture at once."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from aimanga.images import read
from aimanga.models import MODELS, RRDBNet, SRVGGNetCompact, load_model
from aimanga.tensors import from_array, to_array
from aimanga.upscale.stages import Convolution, compile_network
from aimanga.upscale.stream import band_height, bytes_held, stream

SMALL = {
    "rrdbnet-x4": RRDBNet(features=8, blocks=2, growth=4),
    "rrdbnet-x2": RRDBNet(features=8, blocks=1, growth=4, scale=2),
    "rrdbnet-x1": RRDBNet(features=8, blocks=1, growth=4, scale=1),
    "compact-x3": SRVGGNetCompact(features=8, convs=3, scale=3),
}


def picture(height, width, channels=3):
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(height * 1000 + width))


def whole(network, x):
    with torch.inference_mode():
        return network(x)


def streamed(network, x, band=None, cut=None):
    height, width = x.shape[2:]
    return torch.cat(list(stream(network, torch.split(x, cut or band or height, 2), height, width, band=band)), 2)


@pytest.mark.parametrize("name", SMALL)
def test_every_band_height(name):
    network = SMALL[name].eval()
    x = picture(32, 12)
    expected = whole(network, x)
    for band in (*range(1, 9), 13, 16, 31, 32):
        torch.testing.assert_close(streamed(network, x, band), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("entry", MODELS, ids=lambda entry: entry.name)
def test_the_real_networks(entry, samples):
    if not entry.weights.present:
        pytest.skip(f"the weights of {entry.name} are not shipped, and have not been fetched")
    network = load_model(entry.name).network
    x = from_array(read(samples / "parrot.jpg").pixels[60:92, 60:72])
    expected = whole(network, x)
    for band in (5, 16):
        result = streamed(network, x, band)
        torch.testing.assert_close(result, expected, atol=1e-4, rtol=0)
        levels = (to_array(result, np.uint8).astype(int) - to_array(expected, np.uint8)).ravel()
        assert np.abs(levels).max() <= 1
        assert (levels != 0).mean() <= 3e-4  # of up to 18,432 values


class Random(nn.Module):
    """A chain of random local operations, some with branches, as the seed decides."""

    def __init__(self, seed):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        draw = lambda low, high: int(torch.randint(low, high + 1, (), generator=generator))  # noqa: E731
        self.kinds, self.layers = [], nn.ModuleList()
        channels = 3
        for _ in range(draw(2, 7)):
            kind = ("conv", "branch", "gate", "dense", "up", "shuffle", "unshuffle")[draw(0, 6)]
            if kind in self.kinds and kind in ("up", "shuffle", "unshuffle"):
                kind = "conv"  # one of each is enough, and the sizes stay small
            size = (1, 3, 5)[draw(0, 2)]
            grown = {"dense": 3, "shuffle": 4 * channels}.get(kind, channels)
            if kind == "unshuffle":
                self.layers.append(nn.Conv2d(4 * channels, channels, size, padding=size // 2))
            else:
                self.layers.append(nn.Conv2d(channels, grown, (size, 3), padding=(size // 2, 1)))
            channels += 3 if kind == "dense" else 0
            self.kinds.append(kind)

    def forward(self, x):
        for kind, layer in zip(self.kinds, self.layers, strict=True):
            if kind == "conv":
                x = F.leaky_relu(layer(x), 0.1)
            elif kind == "branch":
                x = x * 0.5 + torch.tanh(layer(x))
            elif kind == "gate":
                x = x * (2 * torch.sigmoid(layer(x)))
            elif kind == "up":
                x = layer(F.interpolate(x, scale_factor=2, mode="nearest"))
            elif kind == "shuffle":
                x = F.pixel_shuffle(layer(x), 2)
            elif kind == "unshuffle":
                x = layer(F.pixel_unshuffle(x, 2))
            else:
                x = torch.cat((x, layer(x)), dim=1)
        return x


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 4), st.integers(1, 40), st.integers(1, 50))
def test_random_networks_sizes_bands_and_cuts(seed, rows, columns, band, cut):
    network = Random(seed).eval()
    depth = 2 ** network.kinds.count("unshuffle")
    x = picture(depth * rows * 5, depth * columns * 2)
    torch.testing.assert_close(streamed(network, x, band, cut), whole(network, x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 50), (50, 1), (2, 3), (3, 200)])
def test_the_smallest_and_the_thinnest_pictures(height, width):
    network = SMALL["rrdbnet-x4"].eval()
    x = picture(height, width)
    for band in (1, 4, None):
        torch.testing.assert_close(streamed(network, x, band), whole(network, x), atol=1e-5, rtol=0)


def test_with_bfloat16_weights_it_is_the_same_up_to_rounding():
    network = SRVGGNetCompact(features=8, convs=3, scale=2).bfloat16().eval()
    x = picture(30, 14)
    torch.testing.assert_close(streamed(network, x, 8), whole(network, x), atol=0.02, rtol=0.02)


def test_results_come_while_the_picture_is_still_arriving():
    network = SMALL["compact-x3"].eval()
    fed = []

    def bands():
        for band in torch.split(picture(64, 8), 8, 2):
            fed.append(band.shape[2])
            yield band

    first = next(stream(network, bands(), 64, 8, band=8))
    assert sum(fed) == 8
    assert first.shape[2] > 0


@pytest.mark.parametrize("name", SMALL)
def test_the_memory_is_that_of_the_width_not_of_the_area(name, monkeypatch):
    """Bytes in the rows that wait, at their most, for a picture four times as high, and as foretold."""
    import aimanga.upscale.stream as module

    held = []
    original = module._Run.advance

    def watch(self, runner):
        made = original(self, runner)
        values = {runner.result for runner in self.runners}
        waiting = [piece.untyped_storage() for value in values for piece in value.made.pieces(0, value.made.end)]
        held.append(sum({storage.data_ptr(): storage.nbytes() for storage in waiting}.values()))
        return made

    monkeypatch.setattr(module._Run, "advance", watch)
    program = compile_network(SMALL[name].eval(), 3)
    most = {}
    low = 100 if program.result.rate > 1 else 400  # at x1 the network works at a quarter of the resolution
    for height in (low, 4 * low):
        held.clear()
        streamed(program, picture(height, 12), 8)
        most[height // low] = max(held)
    assert most[4] <= 1.15 * most[1]
    assert 0.5 < most[4] / bytes_held(program, 4 * low, 12, 8) < 1.3


def test_bands_that_do_not_fit_are_refused():
    network = SMALL["rrdbnet-x4"].eval()
    for bands in ([picture(4, 5)], [picture(8, 6)], [picture(8, 5), picture(1, 5)]):
        with pytest.raises(ValueError, match="expected"):
            list(stream(network, bands, 8, 5))


def test_a_program_serves_many_pictures():
    network = SMALL["rrdbnet-x4"].eval()
    program = compile_network(network, 3)
    for height in (9, 20):
        x = picture(height, 11)
        torch.testing.assert_close(streamed(program, x, 4), whole(network, x), atol=1e-5, rtol=0)


def test_the_share_of_the_work_is_told_step_by_step():
    """Also while no row of the result is there yet: that takes as many rows as the network sees far."""
    shares = []
    made = stream(SMALL["rrdbnet-x4"].eval(), torch.split(picture(64, 8), 4, 2), 64, 8, band=4, tick=shares.append)
    next(made)
    assert len(shares) > 20
    assert 0 < shares[0] < 0.02
    list(made)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


@pytest.mark.parametrize("name", SMALL)
def test_without_memory_for_a_band_smaller_ones_give_the_same(name, monkeypatch):
    """A device on which no convolution of more than 5 rows at a time has room."""
    network = SMALL[name].eval()
    x = picture(48, 12)
    expected = whole(network, x)
    refused = []
    original = Convolution.__call__

    def convolve(self, window):
        if window.shape[2] > 5 + 2:
            refused.append(window.shape[2])
            raise torch.OutOfMemoryError
        return original(self, window)

    monkeypatch.setattr(Convolution, "__call__", convolve)
    torch.testing.assert_close(streamed(network, x, 32), expected, atol=1e-5, rtol=0)
    assert 3 <= len(refused) <= 5, "each refusal halves the bands of all operations"


def test_without_memory_for_one_row_it_is_an_error(monkeypatch):
    def refuse(self, window):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(Convolution, "__call__", refuse)
    with pytest.raises(torch.OutOfMemoryError):
        streamed(SMALL["compact-x3"].eval(), picture(8, 8))


def test_band_heights():
    cpu = torch.device("cpu")
    assert band_height(450, 1350, cpu) == 44
    assert band_height(100_000, 1350, cpu) == 4
    assert band_height(10, 7, cpu) == 7
    assert band_height(450, 1350, torch.device("cuda")) > 44
