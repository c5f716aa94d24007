from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import nn

from aimanga.errors import ModelError, PictureError
from aimanga.metrics import backbones, lpips
from aimanga.metrics.lpips import LPIPS, load_lpips

PARAMETERS = Path(lpips.__file__).with_name("parameters")
CHANNELS = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}

# The sums of the heads in the authors' alex.pth and vgg.pth.
SUMS = {
    "alex": (2.34953, 16.14303, 39.26844, 27.19718, 20.31718),
    "vgg": (6.92599, 8.85833, 17.51501, 51.52132, 47.03485),
}

# What leads from one tap of the backbone to the next: numbers of convolutions with stride and padding, and poolings.
ALEX = ([(0, 4, 2)], ["pool", (3, 1, 2)], ["pool", (6, 1, 1)], [(8, 1, 1)], [(10, 1, 1)])
VGG = tuple(
    [*(["pool"] if stage else []), *((n, 1, 1) for n in numbers)]
    for stage, numbers in enumerate(((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28)))
)
STAGES = {"alex": (ALEX, 3), "vgg": (VGG, 2)}


def state_of(network):
    """Random numbers of a size that keeps features alive, by name."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(t.shape, generator=generator) * (2 / max(1, t.shape[1:].numel())) ** 0.5
        for name, t in network.state_dict().items()
    }


@pytest.fixture(scope="module", params=["alex", "vgg"])
def network(request):
    made = LPIPS(request.param)
    made.load_state_dict(state_of(made))
    made.name = request.param
    return made.requires_grad_(False).eval()


@pytest.fixture(scope="module")
def pairs():
    generator = torch.Generator().manual_seed(1)
    references = F.interpolate(torch.rand(3, 3, 9, 7, generator=generator), (61, 47), mode="bilinear")
    noise = torch.tensor([0.02, 0.1, 0.3]).view(3, 1, 1, 1) * torch.randn(3, 3, 61, 47, generator=generator)
    return (references + noise).clamp(0, 1), references


def test_it_is_the_published_formula(network, pairs):
    state, (stages, window) = network.state_dict(), STAGES[network.name]
    with safe_open(PARAMETERS / "lpips.safetensors", "pt") as file:
        heads = [file.get_tensor(f"{network.name}.lin{n}.model.1.weight") for n in range(5)]
    values = [
        (2 * x - 1 - torch.tensor([-0.030, -0.088, -0.188])[:, None, None])
        / torch.tensor([0.458, 0.448, 0.450])[:, None, None]
        for x in pairs
    ]
    expected = 0
    for stage, head in zip(stages, heads, strict=True):
        for step in stage:
            if step == "pool":
                values = [F.max_pool2d(v, window, 2) for v in values]
            else:
                number, stride, padding = step
                weights = state[f"features.{number}.weight"], state[f"features.{number}.bias"]
                values = [F.relu(F.conv2d(v, *weights, stride, padding)) for v in values]
        ours, theirs = (F.normalize(v, dim=1, eps=1e-10) for v in values)
        expected = expected + F.conv2d((ours - theirs) ** 2, head).mean((1, 2, 3))
    made = network(*pairs)
    assert made.shape == (3,) and made.dtype == torch.float32
    torch.testing.assert_close(made, expected)


def test_two_pixels_solved_by_hand():
    network = LPIPS("alex")
    network.features, network.taps, network.smallest = nn.ModuleList([nn.Identity()]), (0,), 1
    network.head0 = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)

    def picture(*normalized):
        values = torch.tensor(normalized).T.view(1, 3, 1, 2)
        return (values * network.scale + network.shift + 1) / 2

    # Of length 1 they are (0.6, 0.8, 0) and (0, 0, 1), so 0.36 + 2 0.64 + 3 1; the other pixels have one direction.
    distance = network(picture([3.0, 4.0, 0.0], [1.0, 1.0, 1.0]), picture([0.0, 0.0, 7.0], [5.0, 5.0, 5.0]))
    assert distance.tolist() == pytest.approx([4.64 / 2], rel=1e-5)


def test_equal_pictures_have_no_distance_and_order_does_not_matter(network, pairs):
    assert network(pairs[1], pairs[1]).tolist() == [0, 0, 0]
    assert torch.equal(network(*pairs), network(*reversed(pairs)))
    assert (network(*pairs) > 0).all()


def test_neither_the_batch_nor_the_bands_change_the_result(network, pairs, monkeypatch):
    whole = network(*pairs)
    assert torch.equal(whole[1:2], network(pairs[0][1:2], pairs[1][1:2]))
    monkeypatch.setattr(backbones, "BAND_PIXELS", 7 * 47)
    torch.testing.assert_close(network(*pairs), whole, rtol=1e-5, atol=0)


def test_features_that_are_all_zero_count_as_equal():
    network = LPIPS("alex").requires_grad_(False)
    for parameter in network.parameters():
        parameter.zero_()
    assert network(torch.rand(1, 3, 31, 31), torch.rand(1, 3, 31, 31)).tolist() == [0]


@pytest.mark.parametrize(("backbone", "smallest"), [("alex", 31), ("vgg", 16)])
def test_sizes_that_cannot_be_compared_are_refused(backbone, smallest):
    network = LPIPS(backbone).requires_grad_(False)
    x = torch.rand(1, 3, smallest, smallest + 9)
    assert network(x, x.flip(3)).isfinite().all()
    with pytest.raises(
        PictureError, match=f"LPIPS needs {smallest} x {smallest} pixels or more; .* {smallest + 9} x {smallest - 1}"
    ):
        network(x[:, :, 1:], x[:, :, 1:])
    with pytest.raises(PictureError, match=f"{smallest + 9} x {smallest} pixels, its reference {smallest + 8} x"):
        network(x, x[:, :, :, 1:])


def test_a_published_file_is_loaded_frozen(tmp_path):
    path = tmp_path / "alexnet-owt-7be5be79.pth"
    state = state_of(LPIPS("alex"))
    torch.save({**state, "classifier.6.bias": torch.zeros(1000)}, path)
    network = load_lpips("alex", path)
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    assert network.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    with pytest.raises(ModelError, match="not the weights of vgg16-397923af.pth"):
        load_lpips("vgg", path)


def test_another_backbone_is_refused():
    with pytest.raises(ValueError, match="alex or vgg, not squeeze"):
        LPIPS("squeeze")


def test_the_shipped_heads_are_the_published_ones_under_their_licence():
    with safe_open(PARAMETERS / "lpips.safetensors", "pt") as file:
        heads = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        metadata = file.metadata()
    expected = {f"{b}.lin{n}.model.1.weight": (1, c, 1, 1) for b in CHANNELS for n, c in enumerate(CHANNELS[b])}
    assert {name: tuple(tensor.shape) for name, tensor in heads.items()} == expected
    assert all(tensor.dtype == torch.float32 and (tensor >= 0).all() for tensor in heads.values())
    for backbone, sums in SUMS.items():
        found = [float(heads[f"{backbone}.lin{n}.model.1.weight"].double().sum()) for n in range(5)]
        assert found == pytest.approx(sums, rel=1e-5)
    assert metadata["license"] == "BSD-2-Clause"
    assert metadata["copyright"] in metadata["license_notice"]
    assert "Redistributions in binary form must reproduce" in metadata["license_notice"]
    assert metadata["license_notice"] in (PARAMETERS / "LICENSES.md").read_text(encoding="utf-8")
    assert "richzhang/PerceptualSimilarity" in metadata["source"]
