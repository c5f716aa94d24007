import numpy as np
import pytest
import torch

from aimanga.errors import ModelError, UsageError
from aimanga.images import read
from aimanga.models import PRESETS, RRDBNet, SRVGGNetCompact, load_model, save_checkpoint
from aimanga.models.checkpoint import read_info
from aimanga.models.export import export
from aimanga.models.mix import mix
from aimanga.tensors import from_array

TINY = {"features": 8, "blocks": 1, "growth": 4}
NETWORKS = {  # together they use every operator of RRDBNet; each export takes seconds
    "plain": lambda: RRDBNet(**TINY),
    "pixel-pixelshuffle": lambda: RRDBNet(**TINY, scale=2, attention="pixel", upsampler="pixelshuffle"),
    "channel": lambda: RRDBNet(**TINY, scale=1, attention="channel"),
}


def saved(path, network, seed=0, **about):
    """A checkpoint of random weights, attention included."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=generator) * 0.2 - 0.1)
    save_checkpoint(path, network, **about)
    return path


def run(network, x):
    with torch.inference_mode():
        return network(x)


def onnx_session(path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX needs the extra `export`")
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def run_onnx(session, x):
    (result,) = session.run(None, {"input": x.numpy()})
    return torch.from_numpy(result)


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_takes_every_size_and_gives_the_same(tmp_path, name):
    model = load_model(saved(tmp_path / "a.safetensors", NETWORKS[name](), license="CC0-1.0", scale=2))
    made = export(model, tmp_path / "a.onnx")
    assert made.difference < 1e-5
    session = onnx_session(made.path)
    multiple = model.network.size_multiple
    for count, height, width in ((1, 1, 1), (1, 7, 5), (3, 9, 16)):
        x = torch.rand(count, 3, height * multiple, width * multiple)
        torch.testing.assert_close(run_onnx(session, x), run(model.network, x), atol=1e-4, rtol=0)
    about = session.get_modelmeta().custom_metadata_map
    assert about["license"] == "CC0-1.0"
    assert about["network"] == type(model.network).__name__
    assert about["scale"] == str(model.network_scale)
    assert about["size_multiple"] == str(multiple)
    assert model.sha256 in about["parent"]


def test_real_weights_as_onnx_on_real_pictures(tmp_path, shared_data):
    """Of SRVGGNetCompact, whose export takes a few seconds; `export` itself checks the result of every model."""
    pytest.importorskip("onnxruntime", reason="ONNX needs the extra `export`")
    model = load_model("realesr-animevideov3-x4")
    session = onnx_session(export(model, tmp_path / "a.onnx").path)
    for path in sorted((shared_data / "realsrset").glob("*.png"))[:3]:
        x = from_array(read(path).pixels[-40:, -52:, :3])
        torch.testing.assert_close(run_onnx(session, x), run(model.network, x), atol=1e-4, rtol=0)


def test_a_checkpoint_tells_where_it_comes_from(tmp_path):
    model = load_model("realesrgan-x4plus-anime")
    made = export("realesrgan-x4plus-anime", tmp_path / "a.safetensors", preset="aimanga")
    assert made.variant == PRESETS["aimanga"]
    info = read_info(made.path)
    assert (info.network, info.scale, info.license) == ("RRDBNet", 4, "BSD-3-Clause")
    assert info.training_data == model.training_data
    assert model.sha256 in info.parent
    assert torch.__version__.startswith(info.versions["torch"])
    again = load_model(made.path)
    assert (again.license, again.training_data, again.parent) == (info.license, info.training_data, info.parent)
    x = torch.rand(1, 3, 9, 8)
    torch.testing.assert_close(run(again.network, x), run(model.network, x), atol=1e-5, rtol=0)


def test_pth_is_real_esrgans_layout_and_folds_back_what_can_be(tmp_path):
    plain = load_model(saved(tmp_path / "a.safetensors", RRDBNet(**TINY)))
    export(plain, tmp_path / "b.safetensors", preset="aimanga")
    made = export(load_model(tmp_path / "b.safetensors"), tmp_path / "b.pth")
    assert made.variant == PRESETS["realesrgan"]
    content = torch.load(made.path, weights_only=True)
    assert list(content) == ["params_ema"]
    assert content["params_ema"].keys() == RRDBNet(**TINY).state_dict().keys()
    for name, tensor in plain.network.state_dict().items():
        torch.testing.assert_close(content["params_ema"][name], tensor)


@pytest.mark.parametrize(
    ("name", "message"), [("pixel-pixelshuffle", "different kernel for each"), ("channel", "attention is trained")]
)
def test_pth_of_what_has_learned_is_refused(tmp_path, name, message):
    model = load_model(saved(tmp_path / "a.safetensors", NETWORKS[name]()))
    with pytest.raises(ModelError, match=message):
        export(model, tmp_path / "a.pth")
    assert not (tmp_path / "a.pth").exists()


def test_what_contradicts_itself_is_refused_before_any_work(tmp_path):
    plain = load_model(saved(tmp_path / "a.safetensors", RRDBNet(**TINY)))
    compact = load_model(saved(tmp_path / "c.safetensors", SRVGGNetCompact(features=4, convs=1)))
    for model, path, preset, message in (
        (plain, "a.ckpt", None, r"exported as \.safetensors, \.pth, \.onnx"),
        (plain, "no/a.pth", None, "there is no folder"),
        (plain, "a.pth", "aimanga", "the plain RRDBNet only"),
        (compact, "a.onnx", "aimanga", "only RRDBNet has variants"),
    ):
        with pytest.raises(UsageError, match=message):
            export(model, tmp_path / path, preset=preset)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.safetensors", "c.safetensors"]


@pytest.mark.parametrize(
    "network",
    [
        RRDBNet(features=8, blocks=2),  # spandrel knows a growth of 32 only
        RRDBNet(features=8, blocks=2, scale=2),
        SRVGGNetCompact(features=8, convs=2, scale=3),
    ],
    ids=lambda network: f"{type(network).__name__}-x{network.scale}",
)
def test_spandrel_reads_the_pth_and_gives_the_same(tmp_path, network):
    spandrel = pytest.importorskip(
        "spandrel", reason="spandrel is not installed; it needs torchvision, which is not there for every PyTorch",
        exc_type=ImportError,
    )  # fmt: skip
    model = load_model(saved(tmp_path / "a.safetensors", network))
    theirs = spandrel.ModelLoader().load_from_file(export(model, tmp_path / "a.pth").path)
    assert theirs.scale == model.scale
    x = torch.rand(1, 3, 12, 16)
    torch.testing.assert_close(run(theirs.model.eval(), x), run(model.network, x), atol=1e-5, rtol=0)


def test_real_models_mix_into_something_between(tmp_path, samples):
    names = ("realesrgan-x4plus", "realsr-df2k")
    mix(dict.fromkeys(names, 0.5), tmp_path / "c.safetensors")
    x = from_array(read(samples / "parrot.jpg").pixels[40:80, 40:80])
    one, other, made = (run(load_model(name).network, x) for name in (*names, tmp_path / "c.safetensors"))
    assert torch.isfinite(made).all()
    assert np.corrcoef(made.flatten(), ((one + other) / 2).flatten())[0, 1] > 0.95
