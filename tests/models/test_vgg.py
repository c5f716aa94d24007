import h5py
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

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


HED = {"conv1_1": 3, "conv1_2": 64, "conv2_1": 64, "conv2_2": 128, "conv3_1": 128, "conv3_2": 256, "conv3_3": 256,
       "conv4_1": 256, "conv4_2": 512, "conv4_3": 512}  # fmt: skip


@pytest.fixture(scope="module")
def hed(tmp_path_factory):
    """Random weights in Keras' layout of HED's HDF5 file, which takes BGR."""
    generator = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("hed") / "hed.h5"
    kernels = {}
    with h5py.File(path, "w") as file:
        for name, channels in HED.items():
            stage, conv = int(name[4]), int(name[6]) - 1
            out = 64 * 2 ** (stage - 1)
            kernel = generator.normal(size=(3, 3, channels, out)).astype(np.float32) * (2 / (9 * channels)) ** 0.5
            bias = generator.normal(size=out).astype(np.float32) * 0.1
            place = f"block{stage}/layers/conv2d{f'_{conv}' if conv else ''}/vars"
            file[f"{place}/0"], file[f"{place}/1"] = kernel, bias
            kernels[name] = torch.from_numpy(kernel).permute(3, 2, 0, 1), torch.from_numpy(bias)
    return path, kernels


def test_vgg16_of_hed_takes_levels_of_255_in_bgr(hed):
    path, kernels = hed
    x = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(1))
    value = x.flip(1) * 255 - torch.tensor([104.00699, 116.66877, 122.67892]).view(1, 3, 1, 1)
    expected = {}
    for name, (kernel, bias) in kernels.items():
        if name in ("conv2_1", "conv3_1", "conv4_1"):
            value = F.max_pool2d(value, 2)
        value = F.conv2d(value, kernel, bias, padding=1)
        if name in ("conv1_2", "conv2_2", "conv3_3", "conv4_3"):
            expected[name] = value
        value = value.relu()
    found = load_vgg(str(path))(x)
    assert list(found) == list(expected)
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-3, atol=1e-2)


def test_weights_under_hed_s_own_names_are_the_same(hed, tmp_path):
    path, kernels = hed
    state = {}
    for name, (kernel, bias) in kernels.items():
        weight = kernel.flip(1) if name == "conv1_1" else kernel
        state |= {f"{name}.weight": weight.contiguous(), f"{name}.bias": bias}
    save_file(state, tmp_path / "hed.safetensors")
    one, other = (load_vgg(str(file)).state_dict() for file in (path, tmp_path / "hed.safetensors"))
    assert one.keys() == other.keys()
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_another_hdf5_file_is_refused(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1.0]
    (tmp_path / "broken.h5").write_bytes(b"nothing")
    for name in ("other.h5", "broken.h5"):
        with pytest.raises(ModelError, match=f"{name}: this file is damaged, or not of HED"):
            load_vgg(str(tmp_path / name))
