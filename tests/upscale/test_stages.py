from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from aimanga.models import RRDBNet
from aimanga.upscale.stages import Convolution, NotLocalError, compile_network, packs_weights
from aimanga.upscale.stream import stream


def module(forward, **layers):
    """A network with the given layers and forward pass."""
    made = type("Network", (nn.Module,), {"forward": forward})()
    for name, layer in layers.items():
        setattr(made, name, layer)
    return made


def test_rrdbnet_has_a_stage_for_each_operation_that_cannot_be_joined_to_another():
    program = compile_network(RRDBNet(features=8, blocks=2, growth=4), 3)
    convolutions = [stage for stage in program.stages if stage.dtype is not None]
    assert len(convolutions) == 2 * 15 + 6
    assert sum(stage.up == 2 for stage in program.stages) == 2
    assert sum(stage.into for stage in program.stages) == 2 * 4 + 1  # the residual sums
    assert len(program.stages) == 36 + 2 + 9, "rectifiers belong to their convolutions, concatenations to their readers"
    assert program.result.rate == 4


@pytest.fixture(params=[True, False], ids=["packed", "public"])
def packed(request, monkeypatch):
    """With oneDNN's private operators, where they are there, and as if they were not."""
    if not request.param:
        monkeypatch.setattr("aimanga.upscale.stages.packs_weights", lambda dtype: False)
    elif not torch.backends.mkldnn.is_available():
        pytest.skip("this PyTorch has no oneDNN")
    return request.param


@pytest.mark.parametrize("slope", [None, 0.2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_a_convolution_with_its_context_is_pytorchs(slope, dtype, size, packed):
    conv = nn.Conv2d(6, 5, size, padding=size // 2).to(dtype)
    ours = Convolution(conv)
    assert (ours.packed is not None) == (packed and packs_weights(dtype))
    ours.slope = slope
    x = torch.rand(1, 6, 9, 11, dtype=dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        result = ours(F.pad(x, (0, 0, size // 2, size // 2)).contiguous(memory_format=torch.channels_last))
        expected = conv(x) if slope is None else F.leaky_relu(conv(x), slope)
    torch.testing.assert_close(result, expected, atol=0.02 if dtype == torch.bfloat16 else 1e-5, rtol=0.02)


def test_a_network_without_the_private_operators_gives_the_same(packed):
    network = RRDBNet(features=8, blocks=1, growth=4).eval()
    x = torch.rand(1, 3, 20, 9)
    with torch.inference_mode():
        result = torch.cat(list(stream(network, torch.split(x, 7, 2), 20, 9)), 2)
        torch.testing.assert_close(result, network(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["_reorder_convolution_weight", "_convolution_pointwise"])
@pytest.mark.parametrize(
    "operator",
    [
        None,  # gone
        lambda x, weight: x,  # with another signature
        lambda *arguments: arguments[0] * 0,  # with another meaning
        torch.ops.aten.conv2d.default,  # with other types: a RuntimeError
    ],
)
def test_operators_that_changed_are_not_used(name, operator, monkeypatch):
    found = torch.ops.mkldnn
    names = {"_reorder_convolution_weight", "_convolution_pointwise"} - ({name} if operator is None else set())
    operators = {n: operator if n == name else getattr(found, n) for n in names}
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace(**operators))
    assert not packs_weights.__wrapped__(torch.float32)


CONV = nn.Conv2d(3, 3, 3, padding=1)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (module(lambda self, x: x * self.conv(x).mean((2, 3), keepdim=True), conv=CONV), "mean"),
        (
            module(lambda self, x: x * self.pool(self.conv(x)), conv=CONV, pool=nn.AdaptiveAvgPool2d(1)),
            "AdaptiveAvgPool",
        ),
        (module(lambda self, x: self.conv(x), conv=nn.Conv2d(3, 3, 3)), "keep the size"),
        (module(lambda self, x: self.conv(x), conv=nn.Conv2d(3, 3, 3, stride=2, padding=1)), "keep the size"),
        (module(lambda self, x: self.conv(x), conv=nn.Conv2d(3, 3, 3, dilation=2, padding=2)), "keep the size"),
        (
            module(lambda self, x: self.conv(x), conv=nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect")),
            "keep the size",
        ),
        (module(lambda self, x: F.interpolate(self.conv(x), scale_factor=2, mode="bilinear"), conv=CONV), "nearest"),
        (module(lambda self, x: F.interpolate(self.conv(x), scale_factor=0.5), conv=CONV), "reductions"),
        (module(lambda self, x: torch.cat((x, self.conv(x)), 2), conv=CONV), "channels"),
        (module(lambda self, x: x + F.interpolate(self.conv(x), scale_factor=2), conv=CONV), "cannot be"),
        (module(lambda self, x: self.conv(F.pad(x, (1, 1, 1, 1), "reflect")), conv=CONV), "pad"),
        (module(lambda self, x: self.conv(x) / x.shape[2], conv=CONV), "getattr"),
        (module(lambda self, x: self.conv(x) if x.sum() > 0 else x, conv=CONV), "traced"),
    ],
)
def test_what_is_not_local_is_recognised(network, message):
    with pytest.raises(NotLocalError, match=message):
        compile_network(network, 3)
