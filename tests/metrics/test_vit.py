import math

import pytest
import torch

from aimanga.metrics.vit import Block, VisionTransformer, attend


def normalized(x, state, name):
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, correction=0, keepdim=True)
    return (x - mean) / (variance + 1e-6).sqrt() * state[f"{name}.weight"] + state[f"{name}.bias"]


def linear(x, state, name):
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def plain_block(tokens, state, heads):
    """The formulas of the paper (its equations 2 and 3, and appendix A), for one picture: tokens x width."""
    query, key, value = linear(normalized(tokens, state, "norm1"), state, "attn.qkv").chunk(3, 1)
    mixed = []
    for q, k, v in zip(*(x.chunk(heads, 1) for x in (query, key, value)), strict=True):
        logits = (q @ k.T / math.sqrt(q.shape[1])).exp()
        mixed.append(logits / logits.sum(1, keepdim=True) @ v)
    tokens = tokens + linear(torch.cat(mixed, 1), state, "attn.proj")
    hidden = linear(normalized(tokens, state, "norm2"), state, "mlp.fc1")
    hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
    return tokens + linear(hidden, state, "mlp.fc2")


@pytest.fixture
def network():
    network = VisionTransformer((0, 2), side=8, patch=4, width=6, depth=4, heads=2, classes=3).double()
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data.normal_(generator=generator)
    return network.requires_grad_(False)


def test_equal_keys_give_the_mean_of_the_values():
    value = torch.tensor([[1.0, 10.0], [3.0, 30.0]])
    qkv = torch.cat((torch.randn(2, 2), torch.ones(2, 2), value), 1)
    torch.testing.assert_close(attend(qkv, 1), torch.tensor([[2.0, 20.0], [2.0, 20.0]]))


def test_a_bias_tells_each_head_where_to_look():
    qkv = torch.cat((torch.zeros(2, 4), torch.tensor([[1.0, 10.0], [3.0, 30.0]])), 1)
    to_itself, to_the_other = torch.eye(2), 1 - torch.eye(2)
    bias = 1e4 * torch.stack((to_itself, to_the_other))
    torch.testing.assert_close(attend(qkv, 2, bias), torch.tensor([[1.0, 30.0], [3.0, 10.0]]))


def test_a_block_is_what_the_paper_says():
    block = Block(6, 3).double().requires_grad_(False)
    # A small variance, so that the epsilon of the normalization tells.
    tokens = 0.01 * torch.randn(2, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([plain_block(one, block.state_dict(), 3) for one in tokens])
    torch.testing.assert_close(block(tokens), expected)


def test_patches_become_tokens_behind_the_class_token(network):
    pictures = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    state = network.state_dict()
    found = network(pictures)
    assert len(found) == 2
    for number, picture in enumerate(pictures):
        patches = [picture[:, top : top + 4, left : left + 4].flatten() for top in (0, 4) for left in (0, 4)]
        kernel = state["patch_embed.proj.weight"].flatten(1)
        embedded = torch.stack(patches) @ kernel.T + state["patch_embed.proj.bias"]
        tokens = torch.cat((state["cls_token"][0], embedded)) + state["pos_embed"][0]
        for block in range(3):
            prefix = f"blocks.{block}."
            own = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
            tokens = plain_block(tokens, own, 2)
            if block in (0, 2):
                torch.testing.assert_close(found[block // 2][number], tokens)


def test_what_lies_behind_the_last_tap_is_not_computed(network):
    for unused in (network.blocks[3], network.norm, network.head):
        unused.register_forward_hook(lambda *_: pytest.fail("computed in vain"))
    network(torch.rand(1, 3, 8, 8, dtype=torch.float64))


@pytest.mark.parametrize(("patch", "published"), [(16, 86_567_656), (8, 86_576_872)])
def test_it_has_the_parameters_of_the_published_networks(patch, published):
    """ViT-B/16 as torchvision counts it; ViT-B/8 has 588 more positions and 192 fewer pixels in a patch."""
    with torch.device("meta"):
        network = VisionTransformer((11,), patch=patch)
    assert sum(parameter.numel() for parameter in network.parameters()) == published
    assert published == 86_567_656 + (16 - patch) // 8 * (588 - 3 * 192) * 768


def test_its_parameters_have_the_names_of_timm():
    with torch.device("meta"):
        names = VisionTransformer((0,), side=8, width=2, depth=1, heads=1).state_dict()
    layers = ["patch_embed.proj", "norm", "head"]
    layers += [f"blocks.0.{part}" for part in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")]
    assert set(names) == {"cls_token", "pos_embed"} | {f"{layer}.{p}" for layer in layers for p in ("weight", "bias")}


def test_a_tap_that_there_is_not_is_refused():
    with torch.device("meta"), pytest.raises(ValueError, match=r"4 blocks has no taps \[4\]"):
        VisionTransformer((3, 4), depth=4)
