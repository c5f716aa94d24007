import pytest
import torch
import torch.nn.functional as F

from aimanga.models import RRDBNet


def small(seed=0, **options):
    torch.manual_seed(seed)
    return RRDBNet(**{"features": 8, "blocks": 2, "growth": 4, **options}).eval()


def plain_forward(state, x, blocks):
    """The network written out once more from the paper's formulas, on the bare tensors."""

    def conv(name, value):
        return F.conv2d(value, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)

    def act(value):
        return torch.where(value >= 0, value, 0.2 * value)

    first = conv("conv_first", x)
    trunk = first
    for block in range(blocks):
        block_input = trunk
        for rdb in (1, 2, 3):
            seen = [trunk]
            for layer in (1, 2, 3, 4):
                seen.append(act(conv(f"body.{block}.rdb{rdb}.conv{layer}", torch.cat(seen, 1))))
            trunk = trunk + 0.2 * conv(f"body.{block}.rdb{rdb}.conv5", torch.cat(seen, 1))
        trunk = block_input + 0.2 * trunk
    up = first + conv("conv_body", trunk)
    for name in ("conv_up1", "conv_up2"):
        up = act(conv(name, up.repeat_interleave(2, 2).repeat_interleave(2, 3)))
    return conv("conv_last", act(conv("conv_hr", up)))


def test_it_is_the_network_of_the_paper():
    network = small()
    x = torch.rand(2, 3, 7, 9)
    with torch.no_grad():
        torch.testing.assert_close(network(x), plain_forward(network.state_dict(), x, 2))


def test_the_default_has_the_published_number_of_parameters():
    with torch.device("meta"):
        assert sum(p.numel() for p in RRDBNet().parameters()) == 16_697_987


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_scales(scale):
    network = small(scale=scale)
    x = torch.rand(1, 3, 4 * network.size_multiple, 3 * network.size_multiple)
    assert network(x).shape == (1, 3, x.shape[2] * scale, x.shape[3] * scale)
    assert network.conv_first.in_channels == 3 * (4 // scale) ** 2


def test_other_scales_are_refused():
    with pytest.raises(ValueError, match="1, 2 or 4, not 3"):
        RRDBNet(scale=3)


def test_gradient_reaches_every_parameter():
    network = small().train()
    network(torch.rand(1, 3, 6, 6)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_with_bfloat16_weights_the_trunk_stays_in_float32():
    network = small().bfloat16()
    types = []
    network.body[1].register_forward_hook(lambda module, inputs, output: types.extend([inputs[0].dtype, output.dtype]))
    assert network(torch.rand(1, 3, 6, 6)).dtype == torch.bfloat16
    assert types == [torch.float32, torch.float32]
