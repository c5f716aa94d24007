import pytest
import torch

from aimanga.models import UNetDiscriminator, UNetDiscriminatorSN


@pytest.mark.parametrize("kind", [UNetDiscriminator, UNetDiscriminatorSN])
def test_every_crop_of_a_multiple_of_8_down_to_8_and_no_other(kind):
    network = kind(features=4).train()
    for height, width in ((8, 8), (8, 24), (40, 16), (64, 64)):
        made = network(torch.rand(2, 3, height, width))
        full = made[0] if isinstance(made, tuple) else made
        assert full.shape == (2, 1, height, width)
        assert torch.isfinite(full).all()
    with pytest.raises(ValueError, match="multiples of 8"):
        network(torch.rand(1, 3, 20, 16))


def test_kernels_that_change_the_resolution_cover_each_pixel_equally():
    """A kernel of ones over a constant gives a constant again, the border aside; one of 3 x 3 gives a checkerboard."""
    network = UNetDiscriminator(features=2)
    for level in (network.up1, network.up2, network.up3):
        conv = level.conv
        ones = torch.ones(1, conv.in_channels, 6, 6)
        made = torch.nn.functional.conv_transpose2d(
            ones, torch.ones_like(conv.weight), stride=conv.stride, padding=conv.padding
        )
        assert made.shape[2:] == (12, 12)
        assert made[:, :, 1:-1, 1:-1].unique().numel() == 1


def test_spectral_norm_holds_each_convolution_to_one():
    network = UNetDiscriminator(features=4).train()
    for _ in range(60):
        network(torch.rand(1, 3, 16, 16))
    network.eval()
    weights = [network.down1.conv.weight, network.down2.conv.weight]
    weights += [conv.weight for conv in (network.conv_first, network.down3, network.conv1, network.conv2)]
    # Of a transposed convolution the outputs are the second dimension.
    weights += [level.conv.weight.transpose(0, 1) for level in (network.up1, network.up2, network.up3)]
    for weight in weights:
        assert float(torch.linalg.svdvals(weight.detach().flatten(1))[0]) == pytest.approx(1, abs=0.02)


def test_it_can_be_trained_to_tell_noise_from_flat():
    torch.manual_seed(0)
    network = UNetDiscriminator(features=8).train()
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    generator = torch.Generator().manual_seed(0)

    def pair():
        flat = torch.rand(4, 3, 1, 1, generator=generator).expand(-1, -1, 16, 16)
        return flat, torch.rand(4, 3, 16, 16, generator=generator)

    for _ in range(25):
        real, fake = pair()
        loss = sum(
            torch.relu(1 - r).mean() + torch.relu(1 + f).mean()
            for r, f in zip(network(real), network(fake), strict=True)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        for real, fake in zip(*(network.eval()(x) for x in pair()), strict=True):
            assert real.mean() > 0.3 > -0.3 > fake.mean()


def test_the_names_of_real_esrgan():
    """As in RealESRGAN_x4plus_netD.pth: spectral normalization of conv1 to conv8, without biases."""
    with torch.device("meta"):
        state = UNetDiscriminatorSN().state_dict()
    expected = {"conv0.weight", "conv0.bias", "conv9.weight", "conv9.bias"}
    expected |= {f"conv{n}.weight_{part}" for n in range(1, 9) for part in ("orig", "u", "v")}
    assert set(state) == expected
    assert {n: tuple(state[f"conv{n}.weight_orig"].shape) for n in range(1, 9)} == {
        1: (128, 64, 4, 4), 2: (256, 128, 4, 4), 3: (512, 256, 4, 4), 4: (256, 512, 3, 3), 5: (128, 256, 3, 3),
        6: (64, 128, 3, 3), 7: (64, 64, 3, 3), 8: (64, 64, 3, 3),
    }  # fmt: skip
    assert sum(tensor.numel() for name, tensor in state.items() if name[-2:] not in ("_u", "_v")) == 4_376_897
