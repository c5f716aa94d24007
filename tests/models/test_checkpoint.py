import json
import os
import pickle
import zipfile

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from aimanga.errors import ModelError
from aimanga.models import RRDBNet, UNetDiscriminator, load_model, save_checkpoint
from aimanga.models.checkpoint import read_info, read_state

STATE = RRDBNet(features=6, blocks=1, growth=4).state_dict()


def assert_same(state, expected=STATE):
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"params": STATE},
        {"params_ema": STATE, "params": {name: tensor + 1 for name, tensor in STATE.items()}},
        {"state_dict": STATE, "epoch": 3},
        {f"module.{name}": tensor for name, tensor in STATE.items()},
        {"params": {f"module.{name}": tensor for name, tensor in STATE.items()}},
    ],
)
@pytest.mark.parametrize("legacy", [False, True])
def test_the_layouts_of_pth_files(tmp_path, content, legacy):
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=not legacy)
    assert_same(read_state(tmp_path / "a.pth"))


def test_safetensors(tmp_path):
    save_file(STATE, tmp_path / "a.safetensors")
    assert_same(read_state(tmp_path / "a.safetensors"))


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_file_that_would_run_code_is_refused_and_runs_none(tmp_path):
    torch.save({"params": STATE, "extra": Malicious(tmp_path / "owned")}, tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Malicious(tmp_path / "owned")))
    for name in ("a.pth", "b.pth"):
        with pytest.raises(ModelError, match=f"{name}: refused: .*can run code"):
            read_state(tmp_path / name)
    assert not (tmp_path / "owned").exists()


def cut(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def test_damaged_files_are_named(tmp_path):
    torch.save(STATE, tmp_path / "a.pth")
    save_file(STATE, tmp_path / "a.safetensors")
    cut(tmp_path / "a.pth")
    cut(tmp_path / "a.safetensors")
    (tmp_path / "empty.pth").touch()
    (tmp_path / "empty.safetensors").touch()
    (tmp_path / "text.pth").write_text("<html>404</html>")
    with zipfile.ZipFile(tmp_path / "zip.pth", "w") as archive:
        archive.writestr("readme.txt", "hello")
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(ModelError, match=f"{path.name}: .*(damaged|refused)"):
            read_state(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [({"iter": 5, "optimizer": {}}, "iter, optimizer"), ([1, 2], "list"), ({}, "nothing")],
)
def test_files_without_weights_say_what_they_hold(tmp_path, content, message):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(ModelError, match=f"holds no state dict, but: .*{message}"):
        read_state(tmp_path / "a.pth")


@pytest.mark.parametrize(
    "tensor", [torch.zeros(3, dtype=torch.complex64), torch.zeros(3, 3).to_sparse(), torch.zeros(3, device="meta")]
)
def test_tensors_that_are_no_ordinary_numbers_are_refused(tmp_path, tensor):
    torch.save({"conv.weight": tensor}, tmp_path / "a.pth")
    with pytest.raises(ModelError, match="no state dict|damaged"):
        read_state(tmp_path / "a.pth")


@pytest.mark.parametrize("content", [b"\x80\x02.", b"t.", b"PK", b"\x80", b"\x80\x04K\x01."])
def test_bytes_that_make_an_unpickler_stumble(tmp_path, content):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(ModelError, match="damaged|refused|no state dict"):
        read_state(tmp_path / "a.pth")


def test_missing_files_and_unknown_suffixes(tmp_path):
    with pytest.raises(ModelError, match="there is no such weight file"):
        read_state(tmp_path / "a.pth")
    (tmp_path / "a.onnx").touch()
    with pytest.raises(ModelError, match="weight files are .safetensors, .pth"):
        read_state(tmp_path / "a.onnx")
    (tmp_path / "b.param").touch()
    with pytest.raises(ModelError, match=r"two files; b\.bin is missing"):
        read_state(tmp_path / "b.param")


ABOUT = {"license": "MIT", "training_data": "photos", "recipe": "steps = 1", "parent": "another (sha256 00)"}


def test_a_checkpoint_says_what_it_is(tmp_path):
    network = RRDBNet(features=6, blocks=1, growth=4, attention="channel", scale=2)
    save_checkpoint(tmp_path / "a.safetensors", network, scale=3, **ABOUT)
    info = read_info(tmp_path / "a.safetensors")
    assert (info.network, info.options, info.scale) == ("RRDBNet", network.options, 3)
    assert {name: getattr(info, name) for name in ABOUT} == ABOUT
    assert set(info.versions) == {"aimanga", "torch"}
    loaded = load_model(tmp_path / "a.safetensors")
    assert (loaded.scale, loaded.network_scale, loaded.license, loaded.recipe) == (3, 2, "MIT", "steps = 1")
    with safe_open(tmp_path / "a.safetensors", "pt") as file:  # what other programs see
        assert file.metadata()["format"] == "pt"
        assert file.metadata()["aimanga.license"] == "MIT"


def test_the_same_checkpoint_has_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        network = RRDBNet(features=6, blocks=1, growth=4)
        network.load_state_dict(STATE)
        save_checkpoint(tmp_path / f"{name}.safetensors", network, **ABOUT)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_other_files_say_nothing(tmp_path):
    save_file(STATE, tmp_path / "a.safetensors", {"format": "pt", "title": "mine"})
    torch.save(STATE, tmp_path / "a.pth")
    assert read_info(tmp_path / "a.safetensors") is None
    assert read_info(tmp_path / "a.pth") is None


OPTIONS = json.dumps({"features": 6, "blocks": 1, "growth": 4})


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"aimanga.options": "{"}, "metadata is damaged: JSONDecodeError"),
        ({"aimanga.options": "[" * 100_000}, "metadata is damaged: "),
        ({"aimanga.options": "[1]"}, r"options are \[1\]"),
        ({"aimanga.options": '{"features": null}'}, "options are"),
        ({"aimanga.options": None}, "metadata is damaged: KeyError"),
        ({"aimanga.scale": "0"}, "scale 0"),
        ({"aimanga.scale": "four"}, "metadata is damaged: ValueError"),
        ({"aimanga.versions": "1"}, "versions 1"),
        ({"aimanga.network": "SwinIR"}, r"its network is a SwinIR, which is not supported \(RRDBNet, "),
        ({"aimanga.options": '{"blocks": 1000000000}'}, "has blocks 1000000000, which its tensors do not show"),
        ({"aimanga.options": '{"depth": 2}'}, "do not fit together.*depth"),
        ({"aimanga.options": '{"blocks": 2, "features": 6, "growth": 4}'}, r"body\.1\.rdb1\.conv1\.weight is missing"),
        ({"aimanga.options": '{"blocks": 1, "features": 6, "growth": "4"}'}, "do not fit together"),
        (
            {"aimanga.network": "SRVGGNetCompact", "aimanga.options": "{}"},
            "looks like SRVGGNetCompact, but does not fit: ",
        ),
        (
            {"aimanga.network": "UNetDiscriminator", "aimanga.options": "{}"},
            "looks like UNetDiscriminator, but does not fit: ",
        ),
    ],
)
def test_a_checkpoint_that_says_what_is_not_so(tmp_path, metadata, message):
    said = {"aimanga.network": "RRDBNet", "aimanga.options": OPTIONS, **metadata}
    save_file(STATE, tmp_path / "a.safetensors", {name: text for name, text in said.items() if text is not None})
    with pytest.raises(ModelError, match=f"a.safetensors: .*{message}"):
        load_model(tmp_path / "a.safetensors")


def test_a_network_that_makes_no_pictures_is_no_model(tmp_path):
    save_checkpoint(tmp_path / "a.safetensors", UNetDiscriminator(features=4))
    with pytest.raises(
        ModelError, match=r"a\.safetensors: this is a UNetDiscriminator, which does not generate pictures"
    ):
        load_model(tmp_path / "a.safetensors")
