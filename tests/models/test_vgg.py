import pytest
import torch
import torch.nn.functional as F

from aimanga import weights
from aimanga.errors import ModelError
from aimanga.hashing import sha256_of
from aimanga.models import VGGFeatures, load_vgg

# Layer numbers of torchvision's `vgg19().features`.
CONVS = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
POOLS = (4, 9, 18, 27)
TAPS = {"conv1_2": 2, "conv2_2": 7, "conv3_4": 16, "conv4_4": 25, "conv5_4": 34}


@pytest.fixture(scope="module")
def state():
    """Random numbers in the layout of torchvision's file, with a small head in place of the classifier."""
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in VGGFeatures().state_dict().items()}
    made = {
        name: torch.randn(shape, generator=generator) * (2 / max(1, shape[1:].numel())) ** 0.5
        for name, shape in shapes.items()
    }
    return {**made, "classifier.0.weight": torch.zeros(2, 2), "classifier.0.bias": torch.zeros(2)}


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Let a file stand for the published one."""

    def put(content):
        monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path))
        entry = weights.weight_file("vgg19")
        torch.save(content, entry.path)
        digest = sha256_of(entry.path)[:8]
        monkeypatch.setattr(weights, "WEIGHT_FILES", (type(entry)(**{**vars(entry), "sha256": digest}),))

    return put


def test_it_has_the_layers_of_torchvision():
    with torch.device("meta"):
        network = VGGFeatures()
    assert set(network.state_dict()) == {f"features.{n}.{p}" for n in CONVS for p in ("weight", "bias")}
    assert network.taps == TAPS
    assert sum(p.numel() for p in network.parameters()) == 20_024_384  # as published for its convolutions


def test_the_published_file_is_loaded_and_gives_what_the_formulas_give(published, state):
    published(state)
    network = load_vgg("vgg19")
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    x = torch.rand(1, 3, 20, 36, generator=torch.Generator().manual_seed(1))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    value = ((x.permute(0, 2, 3, 1) - mean) / std).permute(0, 3, 1, 2)
    expected = {}
    for layer in range(35):
        if layer in CONVS:
            value = F.conv2d(value, state[f"features.{layer}.weight"], state[f"features.{layer}.bias"], padding=1)
            expected |= {name: value for name, tap in TAPS.items() if tap == layer}
        elif layer in POOLS:
            value = F.max_pool2d(value, 2)
        else:
            value = value.clamp(min=0)
    made = network(x)
    assert list(made) == list(TAPS)
    for name, tensor in made.items():
        torch.testing.assert_close(tensor, expected[name])
        assert (tensor < 0).any(), "behind the activation nothing is negative"


def test_the_gradient_comes_through_to_the_picture(published, state):
    published(state)
    x = torch.rand(1, 3, 16, 16, requires_grad=True)
    sum(tensor.abs().mean() for tensor in load_vgg("vgg19")(x).values()).backward()
    assert x.grad.any()


def test_another_file_is_refused(published, state):
    published({name: tensor for name, tensor in state.items() if name != "features.34.bias"})
    with pytest.raises(ModelError, match="not the weights of vgg19"):
        load_vgg("vgg19")


def test_without_the_file_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(ModelError, match=r"weights fetch vgg19.*https://download\.pytorch\.org/.*weights add vgg19"):
        load_vgg("vgg19")
