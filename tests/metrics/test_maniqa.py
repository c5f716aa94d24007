"""Against what the official code gives, the paper's formulas, and properties."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aimanga.errors import ModelError, PictureError
from aimanga.metrics.maniqa import MANIQA, TABlock, crop_positions, load_maniqa

CROP = 64
SMALL = {"crop": CROP, "width": 16, "heads": 2, "hidden": 20}


def waves(expected):
    """Weights that a formula gives, in the layout of `expected`; what is no weight stays as it is."""
    state = dict(expected)
    for number, name in enumerate(sorted(state)):
        tensor = state[name]
        if name.endswith(("attn_mask", "position_index")):
            continue
        steps = torch.arange(tensor.numel(), dtype=torch.float64) * (1 + number % 7)
        wave = torch.sin(steps + number).view(tensor.shape)
        if tensor.ndim > 1 and not name.endswith(("embed", "token", "table")):
            wave *= (2 / tensor[0].numel()) ** 0.5
        if "norm" in name and name.endswith("weight"):
            wave += 1
        state[name] = wave.float()
    return state


@pytest.fixture(scope="module")
def network():
    network = MANIQA(**SMALL)
    network.load_state_dict(waves(network.state_dict()))
    return network.requires_grad_(False).eval()


@pytest.fixture(scope="module")
def published():
    """The layout of the published file: of each tensor only one number is stored."""
    with torch.device("meta"):
        expected = MANIQA().state_dict()
    return {
        name: torch.tensor(number % 5, dtype=tensor.dtype).expand(tensor.shape)
        for number, (name, tensor) in enumerate(expected.items())
    }


def test_the_official_code_gives_the_same(network):
    """IIGROUP/MANIQA at f573d86 was run on these weights and pictures, with the same small sizes."""
    steps = torch.arange(2 * 3 * CROP * CROP, dtype=torch.float64)
    crops = (torch.sin(steps**1.5 / 50) / 2 + 0.5).view(2, 3, CROP, CROP).float()
    official = torch.tensor([9.847391128540039, 9.012059211730957])
    torch.testing.assert_close(network.score_crops(crops), official, rtol=5e-6, atol=0)


def test_transposed_attention_is_what_the_formula_says():
    """Softmax(Q K^T / sqrt(P)) V over channels; its transpose is read out row by row into the shape of the input."""
    channels, places = 5, 4
    block = TABlock(places).double().requires_grad_(False)
    state = {name: tensor.numpy() for name, tensor in block.state_dict().items()}
    x = np.random.default_rng(0).normal(size=(channels, places))
    query, key, value = (x @ state[f"c_{name}.weight"].T + state[f"c_{name}.bias"] for name in "qkv")
    logits = np.exp(query @ key.T / np.sqrt(places))
    attended = logits / logits.sum(1, keepdims=True) @ value
    column_by_column = [attended[channel, place] for place in range(places) for channel in range(channels)]
    expected = x + np.reshape(column_by_column, (channels, places))
    np.testing.assert_allclose(block(torch.from_numpy(x)[None])[0].numpy(), expected)


def test_patches_weigh_as_much_as_they_are_worth(network):
    features = {}
    hook = network.swintransformer2.register_forward_hook(lambda _module, _given, made: features.update(last=made))
    scores = network.score_crops(torch.rand(2, 3, CROP, CROP, generator=torch.Generator().manual_seed(0)))
    hook.remove()
    state = network.state_dict()
    for number, crop in enumerate(features["last"]):
        top, bottom = 0.0, 0.0
        for patch in crop.flatten(1).T:
            score, weight = (
                (patch @ state[f"{head}.0.weight"].T + state[f"{head}.0.bias"]).relu() @ state[f"{head}.3.weight"][0]
                + state[f"{head}.3.bias"]
                for head in ("fc_score", "fc_weight")
            )
            top += score.relu() * weight.sigmoid()
            bottom += weight.sigmoid()
        torch.testing.assert_close(scores[number], (top / bottom)[0])


@pytest.mark.parametrize(
    ("height", "width", "tops", "lefts"),
    [
        (224, 224, [0], [0]),
        (226, 224, [0, 1], [0]),
        (624, 1224, [50, 150, 250, 350], [100, 300, 500, 700, 900]),
        (1224, 624, [100, 300, 500, 700, 900], [50, 150, 250, 350]),
    ],
)
def test_positions_of_crops(height, width, tops, lefts):
    assert crop_positions(height, width, 224) == [(top, left) for top in tops for left in lefts]


@given(height=st.integers(16, 400), width=st.integers(16, 400))
def test_crops_stand_for_crops_drawn_evenly_at_random(height, width):
    positions = crop_positions(height, width, 16)
    assert len(set(positions)) == len(positions) <= 20
    assert len(positions) == 20 or min(height, width) < 16 + 8
    for axis, size in enumerate((height, width)):
        places = sorted({position[axis] for position in positions})
        assert places[0] >= 0 and places[-1] <= size - 16
        assert abs(np.mean(places) - (size - 16) / 2) <= 1, "the mean place of a crop"
        steps = np.diff(places)
        assert len(steps) == 0 or steps.max() - steps.min() <= 1


def test_a_score_is_the_mean_over_the_crops(network):
    picture = torch.rand(1, 3, 70, 101, generator=torch.Generator().manual_seed(0))
    lefts = (3, 11, 18, 25, 33)
    crops = [picture[0, :, top : top + CROP, left : left + CROP] for top in (0, 2, 3, 5) for left in lefts]
    expected = network.score_crops(torch.stack(crops)).mean()
    torch.testing.assert_close(network(picture), expected[None])


def test_a_score_depends_on_nothing_else_in_the_batch(network):
    pictures = torch.rand(3, 3, 66, 64, generator=torch.Generator().manual_seed(0))
    scores = network(pictures)
    assert scores.shape == (3,)
    assert scores.dtype == torch.float32
    assert torch.equal(scores, torch.cat([network(picture[None]) for picture in pictures]))


def test_memory_is_bounded_by_a_few_crops(network, monkeypatch):
    sizes = []
    monkeypatch.setattr(network, "score_crops", lambda crops: sizes.append(len(crops)) or torch.zeros(len(crops)))
    network(torch.zeros(2, 3, 200, 100))
    assert sum(sizes) == 40
    assert max(sizes) <= 4


@pytest.mark.parametrize("size", [(63, 200), (200, 63)])
def test_a_small_picture_is_refused(network, size):
    with pytest.raises(PictureError, match="MANIQA needs 64 x 64 pixels or more"):
        network(torch.zeros(1, 3, *size))


def test_it_is_as_large_as_published():
    """Counted from the paper's figures; 135.7 M with the unused ends of the ViT and the unused convolutions."""

    def linear(given, made):
        return (given + 1) * made

    def swin(width):
        attention = linear(width, 3 * width) + linear(width, width) + 4 * 7**2
        block = attention + linear(width, 768) + linear(768, width) + 4 * width
        return 4 * block + 3 * linear(9 * width, width)  # two layers of two blocks; a convolution each, and one unused

    vit = 86_576_872
    attention = 4 * 3 * linear(28**2, 28**2)
    heads = 2 * (linear(384, 384) + linear(384, 1))
    convolutions = linear(4 * 768, 768) + linear(768, 384)
    with torch.device("meta"):
        network = MANIQA()
        assert network(torch.zeros(1, 3, 300, 500)).shape == (1,)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == vit + attention + convolutions + swin(768) + swin(384) + heads == 135_747_530
    assert len(network.state_dict()) == 316  # as the official network has


def test_the_published_layout_is_loaded(tmp_path, published):
    torch.save({name: t.half() if name == "conv1.weight" else t for name, t in published.items()}, tmp_path / "k.pt")
    network = load_maniqa(tmp_path / "k.pt")
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    loaded = network.state_dict()
    assert list(loaded) == list(published)
    for name, tensor in published.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name].flatten()[:2], tensor.flatten()[:2])


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("vit.head.bias", None),
        ("vit.fc_norm.weight", torch.zeros(768)),
        ("fc_score.3.weight", torch.zeros(384)),
        ("swintransformer1.layers.0.blocks.1.attn.relative_position_index", torch.zeros(16, 16)),
    ],
)
def test_another_file_is_refused(tmp_path, published, name, other):
    torch.save({**published, name: other} if other is not None else _without(published, name), tmp_path / "k.pt")
    with pytest.raises(
        ModelError, match=rf"k\.pt: these are not the weights of MANIQA: {name} is .*Get https.*ckpt_koniq10k"
    ):
        load_maniqa(tmp_path / "k.pt")


def _without(state, name):
    return {key: tensor for key, tensor in state.items() if key != name}
