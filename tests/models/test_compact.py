import torch

from aimanga.models import SRVGGNetCompact


def test_with_zero_weights_it_repeats_each_pixel():
    """All that is left is the enlarged input that is added at the end."""
    network = SRVGGNetCompact(features=4, convs=2, scale=3)
    network.load_state_dict({name: torch.zeros_like(tensor) for name, tensor in network.state_dict().items()})
    x = torch.rand(1, 3, 2, 5)
    torch.testing.assert_close(network(x), x.repeat_interleave(3, 2).repeat_interleave(3, 3))


def test_the_last_layer_writes_each_phase_of_the_output():
    """A bias of 0, 1, 2 ... in the last layer appears as the phases of PixelShuffle, row by row."""
    network = SRVGGNetCompact(channels=1, features=2, convs=1, scale=2)
    state = {name: torch.zeros_like(tensor) for name, tensor in network.state_dict().items()}
    state["body.4.bias"] = torch.arange(4.0)
    network.load_state_dict(state)
    expected = torch.tensor([[0.0, 1.0], [2.0, 3.0]]).repeat(2, 2).view(1, 1, 4, 4)
    torch.testing.assert_close(network(torch.zeros(1, 1, 2, 2)), expected)


def test_the_published_video_model_has_its_number_of_parameters():
    with torch.device("meta"):
        network = SRVGGNetCompact(features=64, convs=16, scale=4)
    assert sum(p.numel() for p in network.parameters()) == 621_424


def test_gradient_reaches_every_parameter():
    network = SRVGGNetCompact(features=4, convs=1)
    network(torch.rand(1, 3, 6, 6)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
