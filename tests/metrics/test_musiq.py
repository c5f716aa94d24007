"""Against a plain restatement of the Flax network in numpy that reads the same file."""

import math
import pickle

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from aimanga.errors import ModelError, PictureError
from aimanga.metrics.musiq import MUSIQ, StdConv, load_musiq, load_parameters
from aimanga.metrics.musiq_patches import multiscale_patches

SMALL = {"hidden": 24, "layers": 2, "heads": 3, "mlp": 32}
PUBLISHED = {"hidden": 384, "layers": 14, "heads": 6, "mlp": 1152}
UNIT = "block1/unit1"


def published_shapes(hidden, layers, heads, mlp):
    """The keys of an official file below `opt/target/`, and their shapes."""
    size = hidden // heads
    shapes = {
        "conv_root/kernel": (7, 7, 3, 64),
        f"{UNIT}/conv_proj/kernel": (1, 1, 64, 256),
        f"{UNIT}/conv1/kernel": (1, 1, 64, 64),
        f"{UNIT}/conv2/kernel": (3, 3, 64, 64),
        f"{UNIT}/conv3/kernel": (1, 1, 64, 256),
        "embedding/kernel": (8 * 8 * 256, hidden),
        "embedding/bias": (hidden,),
        "Transformer/posembed_input/pos_embedding": (1, 100, hidden),
        "Transformer/scaleembed_input/scale_embedding": (1, 3, hidden),
        "Transformer/cls": (1, 1, hidden),
        "head/kernel": (hidden, 1),
        "head/bias": (1,),
    }
    groups = {"gn_root": 64, f"{UNIT}/gn1": 64, f"{UNIT}/gn2": 64, f"{UNIT}/gn3": 256, f"{UNIT}/gn_proj": 256}
    norms = {name: (1, 1, 1, channels) for name, channels in groups.items()}
    norms["Transformer/encoder_norm"] = (hidden,)
    for number in range(layers):
        block = f"Transformer/encoderblock_{number}"
        attention = f"{block}/MultiHeadDotProductAttention_1"
        norms |= {f"{block}/LayerNorm_0": (hidden,), f"{block}/LayerNorm_2": (hidden,)}
        for name in ("query", "key", "value"):
            shapes |= {
                f"{attention}/{name}/kernel": (hidden, heads, size),
                f"{attention}/{name}/bias": (heads, size),
            }
        shapes |= {
            f"{attention}/out/kernel": (heads, size, hidden),
            f"{attention}/out/bias": (hidden,),
            f"{block}/MlpBlock_3/Dense_0/kernel": (hidden, mlp),
            f"{block}/MlpBlock_3/Dense_0/bias": (mlp,),
            f"{block}/MlpBlock_3/Dense_1/kernel": (mlp, hidden),
            f"{block}/MlpBlock_3/Dense_1/bias": (hidden,),
        }
    for name, shape in norms.items():
        shapes |= {f"{name}/scale": shape, f"{name}/bias": shape}
    return shapes


def random_parameters(**sizes):
    numbers = np.random.default_rng(0).standard_normal(65_537, dtype=np.float32)
    made = {}
    for offset, (key, shape) in enumerate(published_shapes(**sizes).items()):
        values = np.resize(np.roll(numbers, 1000 * offset), shape)  # a draw for each would take seconds
        if key.endswith("kernel"):
            fan_in = shape[0] if key.endswith(("query/kernel", "key/kernel", "value/kernel")) else math.prod(shape[:-1])
            values *= 1.5 / math.sqrt(fan_in)
        elif "gn" in key or "embed" in key or "cls" in key:
            values *= 0.02  # so small that the epsilons of the normalizations count
        elif key.endswith("scale"):
            values = 1 + 0.3 * values
        made[key] = values
    return made


def write(path, parameters):
    """Write a file as the official ones are: with the optimizer's momentum in bfloat16, which numpy does not know."""
    content = {f"opt/target/{key}": values for key, values in parameters.items()}
    content |= {"opt/state/step": np.int64(3), "opt/state/param_states/cls/momentum": np.zeros(4, "V2")}
    np.savez(path, **content)
    return path


@pytest.fixture(scope="module")
def parameters():
    return random_parameters(**SMALL)


@pytest.fixture(scope="module")
def network(parameters, tmp_path_factory):
    made = MUSIQ(**SMALL)
    load_parameters(made, write(tmp_path_factory.mktemp("musiq") / "small.npz", parameters))
    return made.requires_grad_(False).eval()


def pictures(count, height, width):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(3))


def conv(x, kernel, stride=1):
    kernel = kernel.astype(np.float64)
    kernel = kernel - kernel.mean((0, 1, 2))
    kernel = kernel / (kernel.std((0, 1, 2)) + 1e-5)
    window, side = kernel.shape[0], x.shape[1]
    total = max((math.ceil(side / stride) - 1) * stride + window - side, 0)
    pad = (total // 2, total - total // 2)
    seen = sliding_window_view(np.pad(x, ((0, 0), pad, pad, (0, 0))), (window, window), (1, 2))
    return np.tensordot(seen[:, ::stride, ::stride], kernel.transpose(2, 0, 1, 3), 3)


def group_norm(x, scale, bias, epsilon):
    groups = x.reshape(*x.shape[:3], 32, -1)
    mean, var = groups.mean((1, 2, 4), keepdims=True), groups.var((1, 2, 4), keepdims=True)
    return ((groups - mean) / np.sqrt(var + epsilon)).reshape(x.shape) * scale + bias


def flax_score(p, picture):
    """The official network for one picture, in float64, with sequences filled up and masked as there."""

    def norm(x, name, epsilon):
        return group_norm(x, p[f"{name}/scale"], p[f"{name}/bias"], epsilon)

    def layer_norm(x, name):
        normal = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
        return normal * p[f"{name}/scale"] + p[f"{name}/bias"]

    def dense(x, name):
        return x @ p[f"{name}/kernel"] + p[f"{name}/bias"]

    pixels, positions, scales = (part.numpy() for part in multiscale_patches(2 * picture - 1))
    x = pixels.transpose(0, 2, 3, 1)
    x = np.maximum(norm(conv(x, p["conv_root/kernel"], 2), "gn_root", 1e-6), 0)
    padded = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=-np.inf)
    root = sliding_window_view(padded, (3, 3), (1, 2))[:, ::2, ::2].max((-2, -1))
    x = np.maximum(norm(conv(root, p[f"{UNIT}/conv1/kernel"]), f"{UNIT}/gn1", 1e-4), 0)
    x = np.maximum(norm(conv(x, p[f"{UNIT}/conv2/kernel"]), f"{UNIT}/gn2", 1e-4), 0)
    x = norm(conv(x, p[f"{UNIT}/conv3/kernel"]), f"{UNIT}/gn3", 1e-4)
    x = np.maximum(x + norm(conv(root, p[f"{UNIT}/conv_proj/kernel"]), f"{UNIT}/gn_proj", 1e-4), 0)

    x = dense(x.reshape(len(x), -1), "embedding")
    x = x + p["Transformer/posembed_input/pos_embedding"][0][positions]
    x = x + p["Transformer/scaleembed_input/scale_embedding"][0][scales]
    tokens, mask = [p["Transformer/cls"][0]], [np.ones(1)]
    for scale, longest in enumerate((49, 144, 0)):
        mine = x[scales == scale]
        absent = max(longest - len(mine), 0)
        tokens += [mine, np.full((absent, x.shape[1]), 5.0)]
        mask += [np.ones(len(mine)), np.zeros(absent)]
    x, mask = np.concatenate(tokens), np.concatenate(mask)
    bias = np.where(mask[:, None] * mask[None] > 0, 0, -1e10)
    for number in range(sum("LayerNorm_0/scale" in key for key in p)):
        block = f"Transformer/encoderblock_{number}"
        attention = f"{block}/MultiHeadDotProductAttention_1"
        y = layer_norm(x, f"{block}/LayerNorm_0")
        q, k, v = (
            np.einsum("th,hnd->ntd", y, p[f"{attention}/{name}/kernel"]) + p[f"{attention}/{name}/bias"][:, None]
            for name in ("query", "key", "value")
        )
        logits = np.einsum("nqd,nkd->nqk", q, k) / math.sqrt(q.shape[-1]) + bias
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        y = np.einsum("nqk,nkd->qnd", weights / weights.sum(-1, keepdims=True), v)
        x = x + np.einsum("tnd,ndh->th", y, p[f"{attention}/out/kernel"]) + p[f"{attention}/out/bias"]
        y = dense(layer_norm(x, f"{block}/LayerNorm_2"), f"{block}/MlpBlock_3/Dense_0")
        y = 0.5 * y * (1 + np.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * y**3)))
        x = x + dense(y, f"{block}/MlpBlock_3/Dense_1")
    return dense(layer_norm(x[0], "Transformer/encoder_norm"), "head")[0]


def test_scores_are_those_of_the_flax_network(network, parameters):
    exact = {key: values.astype(np.float64) for key, values in parameters.items()}
    faint = 0.5 + 0.002 * (pictures(1, 30, 2) - 0.5)  # likewise, for the first of them
    for picture in (pictures(1, 10, 50), faint):
        score = network(picture)
        assert score.shape == (1,) and score.dtype == torch.float32
        assert score.item() == pytest.approx(flax_score(exact, picture), rel=1e-4, abs=1e-6)


def test_a_standardized_convolution_as_by_hand():
    """Filter 0 1 2 in each row: mean 1 and deviation sqrt(2/3). On a ramp it gives its slope, and a fall at the end."""
    layer = StdConv(1, 1, 3, stride=2)
    layer.weight.data = torch.tensor([0.0, 1.0, 2.0]).expand(1, 1, 3, 3).clone()
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    step = 1 / (math.sqrt(2 / 3) + 1e-5)
    # One sample is missing along each axis, so one zero is put behind and none before: 0 1 2 | 2 3 0.
    expected = torch.tensor([[3 * 2, 3 * -2], [2 * 2, 2 * -2]]) * step
    torch.testing.assert_close(layer(ramp)[0, 0], expected)


def test_the_parameters_are_as_many_as_published():
    with torch.device("meta"):
        network = MUSIQ()
    stem = 7 * 7 * 3 * 64 + 64 * 256 + 64 * 64 + 3 * 3 * 64 * 64 + 64 * 256 + 2 * (64 + 256 + 64 + 64 + 256)
    layer = 4 * 384 * 385 + 384 * 1152 + 1152 + 1152 * 384 + 384 + 2 * 2 * 384
    others = (8 * 8 * 256 + 1) * 384 + (100 + 3 + 1) * 384 + 2 * 384 + 385
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == stem + 14 * layer + others == 27_125_825  # "27 Million" in the paper
    assert count == sum(map(math.prod, published_shapes(**PUBLISHED).values()))


def test_the_full_size_is_loaded_frozen(tmp_path):
    made = random_parameters(**PUBLISHED)
    network = load_musiq(write(tmp_path / "koniq_ckpt.npz", made))
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    state = network.state_dict()
    assert all(tensor.dtype == torch.float32 and tensor.device.type == "cpu" for tensor in state.values())
    np.testing.assert_array_equal(state["stem.conv2.weight"][3, 5, 1, 2], made[f"{UNIT}/conv2/kernel"][1, 2, 5, 3])
    key = made["Transformer/encoderblock_13/MultiHeadDotProductAttention_1/key/kernel"]
    np.testing.assert_array_equal(state["blocks.13.key.weight"][2 * 64 + 7, 100], key[100, 2, 7])
    assert network(pictures(1, 4, 300)).isfinite().all()


def test_a_score_does_not_depend_on_the_others(network):
    batch = pictures(3, 4, 40)
    scores = network(batch)
    assert scores.shape == (3,) and len(set(scores.tolist())) == 3
    for number in range(3):
        assert torch.equal(network(batch[number : number + 1]), scores[number : number + 1])
    assert torch.equal(network(batch.flip(0)), scores.flip(0))


def test_patches_in_several_portions_give_the_same(network, monkeypatch):
    picture = pictures(1, 40, 4)
    whole = network(picture)
    monkeypatch.setattr("aimanga.metrics.musiq._CHUNK", 7)
    torch.testing.assert_close(network(picture), whole)


def test_a_narrow_picture_is_refused(network):
    with pytest.raises(PictureError, match="less than 448 times"):
        network(pictures(1, 1, 448))


def without(parameters, key):
    return {name: values for name, values in parameters.items() if name != key}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: without(p, "Transformer/cls"), "opt/target/Transformer/cls is missing$"),
        (lambda p: {**p, "pre_logits/bias": np.zeros(3, np.float32)}, "opt/target/pre_logits/bias is unknown$"),
        (lambda p: {**p, "head/bias": np.zeros(10, np.float32)}, r"head/bias is float \(10,\), expected float \(1,\)$"),
        (lambda p: {**p, "head/bias": np.zeros(1, "V2")}, r"head/bias is \|V2 \(1,\), expected float"),
        (lambda p: {}, " is missing and 52 more$"),
    ],
)
def test_another_file_is_refused(parameters, tmp_path, change, message):
    path = write(tmp_path / "other.npz", change(parameters))
    with pytest.raises(ModelError, match=rf"other\.npz: these are not the weights of MUSIQ: .*{message}"):
        load_parameters(MUSIQ(**SMALL), path)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(ModelError, match="there is no such weight file"):
        load_musiq(tmp_path / "koniq_ckpt.npz")


def test_a_damaged_file_is_said(parameters, tmp_path):
    path = write(tmp_path / "small.npz", parameters)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    path.write_bytes(content[:middle])
    with pytest.raises(ModelError, match="or it is damaged"):
        load_musiq(path)
    content[middle] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is damaged"):
        load_musiq(path)


class _Trap:
    def __reduce__(self):
        return pytest.fail, ("a pickle was run",)


def test_nothing_is_unpickled(parameters, tmp_path):
    np.savez(tmp_path / "trap.npz", **{"opt/target/head/bias": np.array([_Trap()], object)})
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(_Trap()))
    for name in ("trap.npz", "pickle.npz"):
        with pytest.raises(ModelError, match="damaged"):
            load_musiq(tmp_path / name)
