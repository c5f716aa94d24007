import dataclasses

import numpy as np
import pytest
import torch
from scipy.io import savemat

from aimanga import weights
from aimanga.metrics.backbones import alexnet_features, vgg16_features
from tests.metrics.test_forest import grown
from tests.metrics.test_nrqm import cell


@pytest.fixture
def no_weights(tmp_path, monkeypatch):
    """An empty folder of weights."""
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def random_weights_folder(tmp_path_factory):
    """Files in the published formats with random numbers in them, for what is small enough to be made each time."""
    folder = tmp_path_factory.mktemp("random-weights")
    torch.manual_seed(0)
    for name, layers in (("alexnet", alexnet_features()), ("vgg16", vgg16_features())):
        state = {f"features.{key}": tensor for key, tensor in layers.state_dict().items()}
        torch.save(state, folder / weights.weight_file(name).file)
    rng = np.random.default_rng(0)
    forests = cell([{**grown(rng, 20, features, 31), "ntree": 20.0} for features in (18, 45, 75)])
    linear = np.array([[0.5], [0.2], [0.3], [0.4]])
    savemat(folder / weights.weight_file("nrqm").file, {"model": {"rf": forests, "linear": linear}})
    return folder


@pytest.fixture
def random_weights(random_weights_folder, monkeypatch):
    """The folder of weights holds random ones, whose digests are taken for the published ones."""
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(random_weights_folder))
    files = tuple(dataclasses.replace(entry, sha256="") for entry in weights.WEIGHT_FILES)
    monkeypatch.setattr(weights, "WEIGHT_FILES", files)
