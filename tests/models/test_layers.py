import pytest
import torch

from aimanga.models import RRDBNet, SRVGGNetCompact
from aimanga.models.layers import Conv1x1, Conv3x3, ExactConv3x3, PReLU


@pytest.mark.parametrize("weights", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("given", [torch.float32, torch.float64, torch.bfloat16])
def test_the_weights_decide_in_which_type_it_computes(weights, given):
    for layer in (Conv3x3(2, 3), PReLU(2)):
        assert layer.to(weights)(torch.rand(1, 2, 5, 4).to(given)).dtype == weights


def test_autocast_decides_where_it_is_on():
    x = torch.rand(1, 2, 5, 4)
    with torch.autocast("cpu", torch.bfloat16):
        for layer in (Conv3x3(2, 3), Conv1x1(2, 3), PReLU(2)):
            assert layer(x).dtype == torch.bfloat16
        exact = ExactConv3x3(2, 3)
        made = exact(x)
    assert made.dtype == torch.float32
    assert torch.equal(made, exact(x))


@pytest.mark.parametrize(
    "network", [RRDBNet(features=8, blocks=2, growth=4, attention="pixel"), SRVGGNetCompact(features=8, convs=2)]
)
def test_under_autocast_the_trunk_and_the_picture_stay_in_float32(network):
    x = torch.rand(1, 3, 12, 10)
    inputs = {}
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda _, args, out, name=name: inputs.update({name: (args[0].dtype, out.dtype)})
            )
    with torch.autocast("cpu", torch.bfloat16):
        made = network(x)
    first, *between, last = inputs.values()
    assert first[1] == last[1] == made.dtype == torch.float32
    assert {out for _, out in between} == {torch.bfloat16}
    assert (made - network(x)).abs().max() < 0.02 * made.abs().max()
