import itertools

import pytest
import torch

from aimanga.errors import ModelError
from aimanga.images import read
from aimanga.models import PRESETS, RRDBNet, Variant, convert, load_model
from aimanga.tensors import from_array

VARIANTS = [Variant(*names) for names in itertools.product(("none", "pixel", "channel"), ("nearest", "pixelshuffle"))]
PLAIN = PRESETS["realesrgan"]


def ids(variant):
    return f"{variant.attention}-{variant.upsampler}"


def run(network, x):
    with torch.inference_mode():
        return network(x)


def tiny(seed=0, **options):
    torch.manual_seed(seed)
    return RRDBNet(features=8, blocks=2, growth=4, **options).eval()


@pytest.fixture(scope="module")
def x4plus():
    return load_model("realesrgan-x4plus").network


@pytest.fixture(scope="module")
def crops(samples):
    """Corners of pictures, so that two of the picture's own borders are among them."""
    paths = [samples / "parrot.jpg"]
    folder = samples.parent.parent / "shared" / "data" / "realsrset"
    if folder.is_dir():
        paths += sorted(folder.glob("*.png"))[:3]
    return [from_array(read(path).pixels[-36:, -28:, :3]) for path in paths]


@pytest.fixture(scope="module")
def expected(x4plus, crops):
    return [run(x4plus, crop) for crop in crops]


@pytest.mark.parametrize("variant", VARIANTS, ids=ids)
def test_the_real_weights_give_the_same_as_every_variant(x4plus, crops, expected, variant):
    converted = convert(x4plus, variant)
    assert (converted.attention, converted.upsampler) == (variant.attention, variant.upsampler)
    for crop, result in zip(crops, expected, strict=True):
        torch.testing.assert_close(run(converted, crop), result, atol=1e-5, rtol=0)


@pytest.mark.parametrize("variant", VARIANTS, ids=ids)
def test_and_back(x4plus, variant):
    back = convert(convert(x4plus, variant), PLAIN).state_dict()
    assert back.keys() == x4plus.state_dict().keys()
    for name, tensor in x4plus.state_dict().items():
        torch.testing.assert_close(back[name], tensor, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("size", [(4, 4), (8, 4), (4, 12)])
def test_at_every_scale_and_down_to_one_pixel_at_the_border(scale, size):
    network = tiny(scale=scale)
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    for variant in VARIANTS:
        torch.testing.assert_close(run(convert(network, variant), x), run(network, x), atol=1e-6, rtol=0)


def test_a_phase_solved_by_hand():
    """With a kernel of powers of ten the sums of its taps can be read off."""
    network = tiny()
    kernel = 10.0 ** torch.arange(9).view(3, 3)
    state = network.state_dict()
    state["conv_up1.weight"].zero_()
    state["conv_up1.weight"][2, 3] = kernel
    phases = convert(network, Variant("none", "pixelshuffle")).conv_up1.weight[8:12, 3]
    expected = [
        [[1e0, 1e1 + 1e2, 0], [1e3 + 1e6, 1e4 + 1e5 + 1e7 + 1e8, 0], [0, 0, 0]],
        [[0, 1e0 + 1e1, 1e2], [0, 1e3 + 1e4 + 1e6 + 1e7, 1e5 + 1e8], [0, 0, 0]],
        [[0, 0, 0], [1e0 + 1e3, 1e1 + 1e2 + 1e4 + 1e5, 0], [1e6, 1e7 + 1e8, 0]],
        [[0, 0, 0], [0, 1e0 + 1e1 + 1e3 + 1e4, 1e2 + 1e5], [0, 1e6 + 1e7, 1e8]],
    ]
    assert torch.equal(phases, torch.tensor(expected))


def test_what_has_learned_is_not_thrown_away():
    aimanga = convert(tiny(), PRESETS["aimanga"])
    with torch.no_grad():
        aimanga.body[1].attention.per_pixel.bias[3] = 0.1
    assert convert(aimanga, Variant("pixel", "nearest")).attention == "pixel"
    for attention in ("none", "channel"):
        with pytest.raises(ModelError, match=r"body\.1\.attention\.per_pixel\.bias.*trained"):
            convert(aimanga, Variant(attention, "pixelshuffle"))


@pytest.mark.parametrize("name", ["conv_up1", "conv_up2"])
@pytest.mark.parametrize("kind", ["weight", "bias"])
def test_pixelshuffle_that_has_learned_stays(name, kind):
    network = convert(tiny(), Variant("none", "pixelshuffle"))
    with torch.no_grad():
        getattr(getattr(network, name), kind)[5] += 0.01
    with pytest.raises(ModelError, match=f"{name}: .*different kernel for each"):
        convert(network, PLAIN)


def test_the_old_network_is_left_alone_and_the_new_one_can_be_trained():
    network = tiny()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    converted = convert(network, PRESETS["aimanga"]).train()
    optimizer = torch.optim.SGD(converted.parameters(), lr=0.1)
    converted(torch.rand(1, 3, 6, 6)).square().mean().backward()
    optimizer.step()
    assert all(p.requires_grad and p.grad.any() for p in converted.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
