"""Against the formulas, written out with `torch.nn.functional` over the published names of the weights."""

import re

import pytest
import torch
import torch.nn.functional as F

from aimanga.metrics.clip_rn50 import CLIPRN50, SMALLEST_SIDE, AttentionPool, QuickGELU

BLOCKS = {"layer1": 3, "layer2": 4, "layer3": 6, "layer4": 3}
START, END = 49406, 49407


@pytest.fixture(scope="module")
def clip():
    """A narrow CLIP with random numbers everywhere."""
    generator = torch.Generator().manual_seed(0)
    network = CLIPRN50(width=8, text_features=128, text_layers=2)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var") or re.search(r"(bn\d|downsample\.1|ln_\w+)\.weight$", name):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.is_floating_point():
            fan_in = tensor.shape[1:].numel() if tensor.dim() > 1 else 50
            tensor.normal_(0, fan_in**-0.5, generator=generator)
    return network.requires_grad_(False).eval()


def pictures(height, width, count=2):
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def names(stem, *layers):
    return {f"{stem}.{layer}.{leaf}" for layer in layers for leaf in ("weight", "bias")}


def batch_norm_names(stem):
    return {f"{stem}.{leaf}" for leaf in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}


def test_it_has_the_names_and_the_number_of_parameters_of_openais_file():
    with torch.device("meta"):
        network = CLIPRN50()
    expected = {"positional_embedding", "text_projection", "logit_scale", "token_embedding.weight"}
    expected |= {"ln_final.weight", "ln_final.bias", "visual.attnpool.positional_embedding"}
    expected |= names("visual.attnpool", "k_proj", "q_proj", "v_proj", "c_proj")
    blocks = [f"visual.{stage}.{block}" for stage, count in BLOCKS.items() for block in range(count)]
    for stem in ("visual", *blocks):
        for number in (1, 2, 3):
            expected |= {f"{stem}.conv{number}.weight"} | batch_norm_names(f"{stem}.bn{number}")
    for stage in BLOCKS:
        expected |= {f"visual.{stage}.0.downsample.0.weight"} | batch_norm_names(f"visual.{stage}.0.downsample.1")
    for layer in range(12):
        stem = f"transformer.resblocks.{layer}"
        expected |= {f"{stem}.attn.in_proj_weight", f"{stem}.attn.in_proj_bias"}
        expected |= names(stem, "attn.out_proj", "ln_1", "ln_2", "mlp.c_fc", "mlp.c_proj")
    state = network.state_dict()
    assert state.keys() == expected
    assert sum(parameter.numel() for parameter in network.parameters()) == 102_007_137
    assert state["visual.attnpool.positional_embedding"].shape == (50, 2048)
    assert state["visual.layer4.2.conv3.weight"].shape == (2048, 512, 1, 1)
    assert state["token_embedding.weight"].shape == (49408, 512)
    assert state["positional_embedding"].shape == (77, 512)
    assert state["text_projection"].shape == (512, 1024)


def attention(query, keys, values, heads):
    """Softmax attention of one query, head by head: C, T x C and T x C to C."""
    parts = []
    for q, k, v in zip(query.chunk(heads), keys.chunk(heads, 1), values.chunk(heads, 1), strict=True):
        scores = torch.stack([(q * row).sum() / 8 for row in k])  # 8 is the root of 64 features
        powers = (scores - scores.max()).exp()
        parts.append((powers[:, None] * v).sum(0) / powers.sum())
    return torch.cat(parts)


def pooled(state, features):
    """The attention pooling of C x H x W."""
    tokens = features.flatten(1).T
    tokens = torch.cat([tokens.mean(0)[None], tokens])
    query, keys, values = (
        F.linear(tokens, state[f"{part}_proj.weight"], state[f"{part}_proj.bias"]) for part in ("q", "k", "v")
    )
    found = attention(query[0], keys, values, tokens.shape[1] // 64)
    return F.linear(found, state["c_proj.weight"], state["c_proj.bias"])


def below(state, stem):
    return {name.removeprefix(stem): tensor for name, tensor in state.items() if name.startswith(stem)}


def test_the_pooling_is_a_softmax_attention_of_the_mean(clip):
    pool = clip.visual.attnpool
    features = torch.randn(3, 256, 4, 5, generator=torch.Generator().manual_seed(2))
    expected = torch.stack([pooled(pool.state_dict(), picture) for picture in features])
    torch.testing.assert_close(pool(features), expected, rtol=1e-4, atol=1e-5)


def test_the_pooling_does_not_know_where_anything_is(clip):
    pool = clip.visual.attnpool
    features = torch.randn(1, 256, 4, 5, generator=torch.Generator().manual_seed(2))
    shuffled = features.flatten(2)[:, :, torch.randperm(20, generator=torch.Generator().manual_seed(3))]
    torch.testing.assert_close(pool(shuffled.view(1, 256, 2, 10)), pool(features), rtol=1e-4, atol=1e-5)


def test_the_pooling_of_one_colour_is_that_colours_value():
    pool = AttentionPool(64, 3)
    features = torch.rand(64, generator=torch.Generator().manual_seed(4))
    expected = pool.c_proj(pool.v_proj(features))
    torch.testing.assert_close(pool(features.view(1, 64, 1, 1).expand(1, 64, 3, 3))[0], expected)


def image_features(state, x):
    """The image tower, over the published names."""

    def normalized(x, stem):
        mean, variance, weight, bias = (
            state[f"{stem}.{leaf}"].view(1, -1, 1, 1) for leaf in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 1e-5).sqrt() * weight + bias

    def conv(x, stem, **options):
        return F.conv2d(x, state[f"{stem}.weight"], **options)

    for number in (1, 2, 3):
        x = conv(x, f"conv{number}", stride=2 if number == 1 else 1, padding=1)
        x = normalized(x, f"bn{number}").clamp(min=0)
    x = F.avg_pool2d(x, 2)
    for stage, count in BLOCKS.items():
        for block in range(count):
            stem = f"{stage}.{block}"
            y = normalized(conv(x, f"{stem}.conv1"), f"{stem}.bn1").clamp(min=0)
            y = normalized(conv(y, f"{stem}.conv2", padding=1), f"{stem}.bn2").clamp(min=0)
            if block == 0 and stage != "layer1":
                y, x = F.avg_pool2d(y, 2), F.avg_pool2d(x, 2)
            if block == 0:
                x = normalized(conv(x, f"{stem}.downsample.0"), f"{stem}.downsample.1")
            x = (normalized(conv(y, f"{stem}.conv3"), f"{stem}.bn3") + x).clamp(min=0)
    return torch.stack([pooled(below(state, "attnpool."), features) for features in x])


@pytest.mark.parametrize(("height", "width"), [(SMALLEST_SIDE, SMALLEST_SIDE), (64, 101)])
def test_the_image_tower_is_that_of_the_formulas_at_any_size(clip, height, width):
    x = pictures(height, width)
    expected = image_features(clip.visual.state_dict(), x)
    found = clip.visual(x)
    assert found.shape == (2, 1024)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def text_features(state, tokens):
    """The text tower for one text, over the published names."""

    def normalized(x, stem):
        spread = (x.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
        return (x - x.mean(1, keepdim=True)) / spread * state[f"{stem}.weight"] + state[f"{stem}.bias"]

    def linear(x, stem):
        return F.linear(x, state[f"{stem}.weight"], state[f"{stem}.bias"])

    x = state["token_embedding.weight"][tokens] + state["positional_embedding"][: len(tokens)]
    for layer in range(2):
        stem = f"transformer.resblocks.{layer}"
        y = normalized(x, f"{stem}.ln_1")
        y = F.linear(y, state[f"{stem}.attn.in_proj_weight"], state[f"{stem}.attn.in_proj_bias"])
        query, keys, values = y.chunk(3, 1)
        y = [attention(query[i], keys[: i + 1], values[: i + 1], x.shape[1] // 64) for i in range(len(x))]
        x = x + linear(torch.stack(y), f"{stem}.attn.out_proj")
        y = linear(normalized(x, f"{stem}.ln_2"), f"{stem}.mlp.c_fc")
        x = x + linear(y / (1 + (-1.702 * y).exp()), f"{stem}.mlp.c_proj")
    end = tokens.tolist().index(END)
    return normalized(x, "ln_final")[end] @ state["text_projection"]


def test_the_text_tower_is_that_of_the_formulas(clip):
    tokens = torch.tensor([[START, 7, 300, 9, END], [START, 40000, END, 0, 0]])
    expected = torch.stack([text_features(clip.state_dict(), text) for text in tokens])
    torch.testing.assert_close(clip.encode_text(tokens), expected, rtol=1e-4, atol=1e-4)


def test_a_text_is_read_up_to_its_end_wherever_that_is(clip):
    text = torch.tensor([[START, 7, 300, END]])
    padded = F.pad(text, (0, 73))
    expected = clip.encode_text(text)
    torch.testing.assert_close(clip.encode_text(padded), expected)
    padded[0, 5:] = 123
    torch.testing.assert_close(clip.encode_text(padded), expected)
    padded[0, 1] = 8
    assert not torch.allclose(clip.encode_text(padded), expected, atol=1e-2)


def test_quick_gelu_is_nearly_gelu():
    x = torch.linspace(-8, 8, 1001)
    found = QuickGELU()(x)
    torch.testing.assert_close(found, x / (1 + (-1.702 * x).exp()))
    assert 0.015 < (found - F.gelu(x)).abs().max() < 0.025  # D. Hendrycks and K. Gimpel, arXiv:1606.08415
