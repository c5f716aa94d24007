import numpy as np
import pytest
import torch
from scipy.io import savemat

from aimanga.errors import ModelError, PictureError
from aimanga.images import read
from aimanga.metrics.nrqm import load_nrqm
from aimanga.metrics.nrqm_features import nrqm_features
from aimanga.tensors import from_array
from tests.metrics.test_forest import grown, walked

LINEAR = [0.5, 0.2, 0.3, 0.4]


def cell(items):
    """A MATLAB cell array, a column."""
    array = np.empty((len(items), 1), object)
    array[:, 0] = items
    return array


@pytest.fixture(scope="module")
def forests():
    rng = np.random.default_rng(0)
    return [{**grown(rng, 20, features, 31), "ntree": 20.0} for features in (18, 45, 75)]


@pytest.fixture(scope="module")
def metric(forests, tmp_path_factory):
    path = tmp_path_factory.mktemp("nrqm") / "model.mat"
    savemat(path, {"model": {"rf": cell(forests), "linear": np.array(LINEAR)[:, None]}})
    return load_nrqm(path)


@pytest.fixture(scope="module")
def photo(samples):
    return from_array(read(samples / "lionfish.jpg").pixels)[:, :, 40:140, 60:160]


def test_the_score_joins_the_walks_through_three_forests(metric, forests, photo):
    red, green, blue = (photo[0].double() * 255).round()
    # MATLAB's rgb2gray, by the inverse of the NTSC matrix that its documentation prints.
    weights = np.linalg.inv([[1, 0.956, 0.621], [1, -0.272, -0.647], [1, -1.106, 1.703]])[0]
    levels = (weights[0] * red + weights[1] * green + weights[2] * blue).round()
    scores = [walked(forest, kind.numpy()) for forest, kind in zip(forests, nrqm_features(levels), strict=True)]
    found = metric(photo)
    assert found.shape == (1,) and found.dtype == torch.float32
    assert found.item() == pytest.approx(LINEAR[0] + np.dot(LINEAR[1:], scores), rel=1e-6)


def test_a_score_is_the_same_at_each_call_and_in_each_batch(metric, photo):
    alone = metric(photo)
    both = metric(torch.cat([photo.flip(3), photo]))
    assert torch.equal(metric(photo), alone) and torch.equal(both[1:], alone)
    assert torch.equal(both[:1], metric(photo.flip(3)))


def test_a_gray_picture_is_taken_as_it_is(metric, photo):
    gray = (photo[:, 1:2] * 255).round() / 255
    assert torch.equal(metric(gray), metric(gray.expand(-1, 3, -1, -1)))


def test_between_levels_the_nearest_counts(metric, photo):
    assert torch.equal(metric(photo + 0.4 / 255), metric(photo))


def test_a_picture_that_is_too_small_or_flat_is_refused(metric):
    with pytest.raises(PictureError, match="84 x 84"):
        metric(torch.rand(1, 3, 60, 60))
    with pytest.raises(PictureError, match="flat picture"):
        metric(torch.full((1, 3, 100, 100), 0.5))


def test_another_struct_is_refused(forests, tmp_path):
    def refused(content, message):
        path = tmp_path / "other.mat"
        savemat(path, content)
        with pytest.raises(ModelError, match=rf"other\.mat: .*{message}"):
            load_nrqm(path)

    linear = np.array(LINEAR)
    refused({"weights": linear}, "no variable called model")
    refused({"model": linear}, "no fields rf and linear")
    refused({"model": {"rf": cell(forests)}}, "no fields rf and linear")
    refused({"model": {"rf": cell(forests[:2]), "linear": linear}}, "2 forests and 4 coefficients")
    refused({"model": {"rf": cell(forests), "linear": linear[:3]}}, "3 forests and 3 coefficients")
    without = {name: array for name, array in forests[0].items() if name != "upper"}
    refused({"model": {"rf": cell([without, *forests[1:]]), "linear": linear}}, "without upper")
    refused({"model": {"rf": cell(forests[::-1]), "linear": linear}}, "the local features is damaged.*than the 18")


def test_a_missing_or_damaged_file_and_one_of_version_7_3_are_refused(tmp_path, forests):
    with pytest.raises(ModelError, match="no such weight file"):
        load_nrqm(tmp_path / "absent.mat")
    path = tmp_path / "model.mat"
    savemat(path, {"model": {"rf": cell(forests), "linear": np.array(LINEAR)}}, do_compression=True)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ModelError, match="damaged"):
        load_nrqm(path)
    path.write_bytes(b"MATLAB 7.3 MAT-file, HDF5".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n".ljust(512, b"\0"))
    with pytest.raises(ModelError, match=r"version 7\.3; save it again.*-v7"):
        load_nrqm(path)
