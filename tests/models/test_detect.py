import re

import pytest
import torch

from aimanga.errors import ModelError
from aimanga.models import RRDBNet, SRVGGNetCompact
from aimanga.models.detect import build_network

NETWORKS = [
    RRDBNet(features=8, blocks=3, growth=4),
    RRDBNet(features=6, blocks=1, growth=5, scale=2),
    RRDBNet(features=6, blocks=1, growth=5, scale=1),
    RRDBNet(features=6, blocks=1, growth=5, in_channels=1, out_channels=1),
    SRVGGNetCompact(features=8, convs=2, scale=4),
    SRVGGNetCompact(features=5, convs=1, scale=2),
    SRVGGNetCompact(features=5, convs=3, scale=1, channels=1),
]


def of_2019(name):
    name = re.sub(r"body\.(\d+)\.rdb(\d)", r"RRDB_trunk.\1.RDB\2", name)
    for new, old in (("conv_body", "trunk_conv"), ("conv_up", "upconv"), ("conv_hr", "HRconv")):
        name = name.replace(new, old)
    return name


def of_2018(name):
    name = re.sub(r"body\.(\d+)\.rdb(\d)\.conv(\d)", r"model.1.sub.\1.RDB\2.conv\3.0", name)
    for new, old in {
        "conv_first": "model.0", "conv_body": "model.1.sub.3", "conv_up1": "model.3", "conv_up2": "model.6",
        "conv_hr": "model.8", "conv_last": "model.10",
    }.items():  # fmt: skip
        name = name.replace(new, old)
    return name


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: f"{type(n).__name__}-x{n.scale}")
def test_a_network_is_recognised_from_its_tensors(network):
    found = build_network(network.state_dict(), "it")
    assert type(found) is type(network)
    assert found.scale == network.scale
    assert not found.training
    x = torch.rand(1, next(network.parameters()).shape[1] // network.size_multiple**2, 8, 8)
    with torch.no_grad():
        assert torch.equal(found(x), network.eval()(x))


def test_channels_that_no_scale_explains_are_refused():
    with pytest.raises(ModelError, match="do not fit together"):
        state = RRDBNet(features=6, blocks=1, growth=5).state_dict()
        build_network({**state, "conv_first.weight": torch.zeros(6, 27, 3, 3)}, "it")


@pytest.mark.parametrize("rename", [of_2019, of_2018])
def test_the_names_of_older_releases(rename):
    network = NETWORKS[0]
    old = {rename(name): tensor for name, tensor in network.state_dict().items()}
    assert set(old).isdisjoint(
        set(network.state_dict()) - {"conv_first.weight", "conv_first.bias", "conv_last.weight", "conv_last.bias"}
    )
    x = torch.rand(1, 3, 5, 6)
    with torch.no_grad():
        assert torch.equal(build_network(old, "it")(x), network.eval()(x))


@pytest.mark.parametrize("network", [NETWORKS[0], NETWORKS[4]], ids=lambda n: type(n).__name__)
def test_the_order_of_an_ncnn_file_is_the_order_of_the_network(network):
    """The state dict lists the tensors in the order in which the network was written down, which is forward order."""
    unnamed, layer = {}, -1
    for name, tensor in network.state_dict().items():
        layer += name.endswith(".weight")
        kind = "PReLU" if tensor.ndim == 1 and name.endswith(".weight") else "Convolution"
        unnamed[f"{kind}.{layer}.{name.rsplit('.', 1)[1]}"] = tensor
    found = build_network(unnamed, "it").state_dict()
    assert list(found) == list(network.state_dict())
    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in found.items())


def test_a_number_of_convolutions_that_fits_no_network():
    layers = {f"Convolution.{number}.{leaf}": torch.zeros(1) for number in range(20) for leaf in ("weight", "bias")}
    with pytest.raises(ModelError, match="not a supported network.*Found 40 tensors: Convolution.0.weight"):
        build_network(layers, "it")


def test_half_precision_weights_become_float32():
    state = {name: tensor.half() for name, tensor in NETWORKS[0].state_dict().items()}
    assert {p.dtype for p in build_network(state, "it").parameters()} == {torch.float32}


def test_building_does_not_touch_the_global_random_state():
    before = torch.get_rng_state()
    build_network(NETWORKS[0].state_dict(), "it")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conv_hr.bias": None}, "looks like RRDBNet, but does not fit: conv_hr.bias is missing"),
        ({"head.weight": torch.zeros(2)}, "looks like RRDBNet, but does not fit: head.weight is unknown"),
        ({"conv_hr.bias": torch.zeros(9)}, r"conv_hr.bias is float \(9,\), expected float \(8,\)"),
        ({"conv_last.weight": None}, "do not fit together.*conv_last.weight"),
        ({"conv_first.weight": None}, r"not a supported network.*Found \d+ tensors: conv_first.bias \(8,\)"),
    ],
)
def test_what_does_not_fit_is_said(change, message):
    state = {**NETWORKS[0].state_dict(), **change}
    with pytest.raises(ModelError, match=f"my.pth: .*{message}"):
        build_network({name: tensor for name, tensor in state.items() if tensor is not None}, "my.pth")


def test_another_network_is_described():
    with pytest.raises(ModelError, match=r"x.pth: .*Found 1 tensor: layers.0.attn.qkv.weight \(3, 3\)"):
        build_network({"layers.0.attn.qkv.weight": torch.zeros(3, 3)}, "x.pth")


def test_a_number_of_blocks_that_is_not_to_be_believed():
    for name in ("body.9999999.rdb1.conv1.weight", "model.1.sub.9999999.RDB1.conv1.0.weight"):
        state = {**NETWORKS[0].state_dict(), "model.0.weight": torch.zeros(1), name: torch.zeros(1)}
        if name.startswith("body"):
            del state["model.0.weight"]
        with pytest.raises(ModelError, match="do not fit together"):
            build_network(state, "it")


def test_compact_with_another_activation_is_refused():
    state = SRVGGNetCompact(features=8, convs=1).state_dict()
    with pytest.raises(ModelError, match="PReLU"):
        build_network({**state, "body.1.weight": torch.zeros(8, 8, 3, 3)}, "it")
