"""What every network has to satisfy: a new one is put into the list and cannot escape."""

import copy
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from aimanga.models import (
    RRDBNet,
    SRVGGNetCompact,
    UNetDiscriminator,
    UNetDiscriminatorSN,
    VGGFeatures,
    save_checkpoint,
)
from aimanga.models.checkpoint import read_info, read_state
from aimanga.models.detect import build_network
from aimanga.models.networks import NETWORKS
from aimanga.upscale.stages import NotLocalError
from aimanga.upscale.stream import stream

TINY = {"features": 8, "growth": 4}


@dataclass
class Case:
    network: nn.Module
    local: bool = True  # whether it can be streamed
    scales: tuple[float, ...] = ()  # of the results; of a generator its own


def batch(height=16, width=24, count=1, seed=0):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def cases():
    torch.manual_seed(0)
    for attention, blocks in (("none", 2), ("pixel", 1), ("channel", 1)):  # more of them are the same again
        for upsampler in ("nearest", "pixelshuffle"):
            for scale in (4, 2, 1):
                yield (
                    f"rrdbnet-{attention}-{upsampler}-x{scale}",
                    Case(
                        RRDBNet(**TINY, blocks=blocks, attention=attention, upsampler=upsampler, scale=scale),
                        attention != "channel",
                    ),
                )
    for scale in (1, 2, 3, 4):
        yield f"compact-x{scale}", Case(SRVGGNetCompact(features=8, convs=3, scale=scale))
    yield "discriminator", Case(UNetDiscriminator(features=4), False, (1, 1 / 2, 1 / 4))
    published = UNetDiscriminatorSN(features=4)
    with torch.no_grad():  # its estimates of the largest singular values begin with random vectors
        for _ in range(20):
            published(batch())
    yield "discriminator-sn", Case(published, False, (1,))
    yield "vgg19", Case(VGGFeatures(), False, (1, 1 / 2, 1 / 4, 1 / 8, 1 / 16))


CASES = dict(cases())


@pytest.fixture(params=CASES)
def case(request):
    made = CASES[request.param]
    made.network.eval()
    # Attention starts as the identity: here it must do something.
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in made.network.named_parameters():
            if ".attention." in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return made


def results(network, x):
    with torch.no_grad():
        made = network(x)
    if isinstance(made, dict):
        return list(made.values())
    return list(made) if isinstance(made, tuple) else [made]


def test_none_is_left_out():
    assert set(NETWORKS) <= {type(case.network).__name__ for case in CASES.values()}


@pytest.mark.parametrize("size", [(16, 16), (16, 40), (48, 24)])
def test_shapes(case, size):
    for scale, result in zip(
        case.scales or (case.network.scale,), results(case.network, batch(*size, count=2)), strict=True
    ):
        assert result.shape[0] == 2
        assert result.shape[2:] == tuple(int(side * scale) for side in size)
        assert result.dtype == torch.float32


def test_gradient_reaches_every_parameter_and_the_input(case):
    network = copy.deepcopy(case.network).train()
    x = batch().requires_grad_()
    made = network(x)
    made = list(made.values()) if isinstance(made, dict) else made
    sum(result.square().mean() for result in (made if isinstance(made, list | tuple) else [made])).backward()
    missing = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert missing == []
    assert x.grad.any()


def test_saved_and_loaded_it_is_the_same_bit_by_bit(case, tmp_path):
    if type(case.network).__name__ not in NETWORKS:
        pytest.skip("VGG19 is never saved; it is loaded from torchvision's file in test_vgg.py")
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, case.network)
    info = read_info(path)
    assert info.options == case.network.options
    for loaded in (build_network(read_state(path), "it", info), build_network(read_state(path), "it")):
        assert type(loaded) is type(case.network)
        assert loaded.options == case.network.options  # the tensors alone tell them, too
        for ours, theirs in zip(results(case.network, batch()), results(loaded, batch()), strict=True):
            assert torch.equal(ours, theirs)


def test_streamed_it_is_the_same_or_it_is_known_that_it_cannot_be(case):
    x = batch(16, 12)

    def streamed():
        return torch.cat(list(stream(case.network, torch.split(x, 4, 2), 16, 12, band=4)), 2)

    if case.local:
        torch.testing.assert_close(streamed(), results(case.network, x)[0], atol=1e-5, rtol=0)
    else:
        with pytest.raises(NotLocalError):
            streamed()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_half_precision_it_is_finite_and_near(case, dtype):
    network = copy.deepcopy(case.network).to(dtype)
    for result, expected in zip(results(network, batch().to(dtype)), results(case.network, batch()), strict=True):
        assert torch.isfinite(result).all()
        assert (result.float() - expected).norm() < 0.1 * expected.norm()


def test_a_picture_does_not_depend_on_the_others_of_its_batch(case):
    x = batch(count=3)
    for all_at_once, alone in zip(results(case.network, x), results(case.network, x[1:2]), strict=True):
        torch.testing.assert_close(all_at_once[1:2], alone, atol=1e-5, rtol=1e-4)
