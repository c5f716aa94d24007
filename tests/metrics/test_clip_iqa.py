import math
from itertools import pairwise

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from aimanga.errors import ModelError, PictureError
from aimanga.metrics.clip_iqa import BAD_PHOTO, CLIPIQA, GOOD_PHOTO, load_clip, load_clip_iqa
from aimanga.metrics.clip_rn50 import CLIPRN50

# The merges of openai/CLIP's `bpe_simple_vocab_16e6.txt.gz` that matter to both prompts, by their place in it.
MERGES = {
    19: ("t", "o</w>"),
    62: ("o", "o"),
    94: ("h", "o"),
    168: ("a", "d</w>"),
    226: ("oo", "d</w>"),
    304: ("p", "ho"),
    374: ("g", "ood</w>"),
    613: ("pho", "to</w>"),
    1591: ("b", "ad</w>"),
}


def tokens_of(text):
    """Byte-pair encoding: 256 bytes, which begin at "!", 256 at a word's end, 48,894 merges, a start and an end."""
    tokens = [512 + 48_894]
    for word in text.lower().replace(".", " .").split():
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while fitting := {pair: rank for rank, pair in MERGES.items() if pair in pairwise(parts)}:
            first, second = min(fitting, key=fitting.get)
            place = list(pairwise(parts)).index((first, second))
            parts[place : place + 2] = [first + second]
        merged = {"".join(pair): 512 + rank for rank, pair in MERGES.items()}
        tokens += [merged.get(part, 256 + ord(part[0]) - ord("!")) for part in parts]
    return (*tokens, tokens[0] + 1)


def test_the_prompts_are_good_and_bad_photo():
    assert tokens_of("Good photo.") == GOOD_PHOTO
    assert tokens_of("Bad photo.") == BAD_PHOTO


def narrow():
    return CLIPRN50(width=8, text_features=64, text_layers=1)


@pytest.fixture(scope="module")
def state():
    """A narrow CLIP with random numbers in half precision, as OpenAI's file has them."""
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, tensor in narrow().state_dict().items():
        if tensor.dim() > 1:
            fan_in = tensor.shape[1:].numel()
            tensors[name] = (torch.randn(tensor.shape, generator=generator) * fan_in**-0.5).half()
        elif tensor.is_floating_point():  # those of the normalizations stay as they are, 0 or 1
            tensors[name] = tensor.half()
        else:
            tensors[name] = tensor
    return {**tensors, "logit_scale": torch.tensor(math.log(100.0))}


@pytest.fixture(scope="module")
def clip(state):
    network = narrow()
    network.load_state_dict(state)
    return network.requires_grad_(False).eval()


@pytest.fixture(scope="module")
def pictures():
    """Of different contrast."""
    noise = torch.rand(3, 3, 40, 70, generator=torch.Generator().manual_seed(1))
    return noise * torch.tensor([0.0, 0.3, 1.0]).view(3, 1, 1, 1)


def test_the_score_is_the_share_of_good_photo(clip, pictures):
    mean, std = torch.tensor([0.48145466, 0.4578275, 0.40821073]), torch.tensor([0.26862954, 0.26130258, 0.27577711])
    seen = clip.visual(((pictures.permute(0, 2, 3, 1) - mean) / std).permute(0, 3, 1, 2))
    good, bad = (
        torch.cosine_similarity(seen, clip.encode_text(torch.tensor([prompt])), dim=1)
        for prompt in (tokens_of("Good photo."), tokens_of("Bad photo."))
    )
    expected = 1 / (1 + (100 * (bad - good)).exp())
    scores = CLIPIQA(clip)(pictures)
    assert scores.shape == (3,) and 0.001 < scores.min() < scores.max() < 0.999
    torch.testing.assert_close(scores, expected, rtol=1e-3, atol=1e-4)


def test_a_picture_that_looks_like_a_prompt_gets_its_score(clip, pictures):
    metric = CLIPIQA(clip)
    for prompt, sign in ((GOOD_PHOTO, 1), (BAD_PHOTO, -1)):
        features = 3 * clip.encode_text(torch.tensor([prompt]))
        metric.visual = nn.Module()
        metric.visual.forward = lambda x, features=features: features.expand(len(x), -1)
        expected = 1 / (1 + math.exp(-sign * 100 * (1 - float(metric.prompts[0] @ metric.prompts[1]))))
        assert metric(pictures[:1]).item() == pytest.approx(expected, abs=1e-4)


def test_a_score_does_not_depend_on_the_other_pictures(clip, pictures):
    metric = CLIPIQA(clip)
    assert torch.equal(metric(pictures), torch.cat([metric(picture[None]) for picture in pictures]))


@pytest.mark.parametrize(("height", "width"), [(30, 80), (80, 30)])
def test_a_small_picture_is_refused(clip, height, width):
    metric = CLIPIQA(clip)
    assert metric(torch.rand(1, 3, 31, 31)).isfinite().all()
    with pytest.raises(
        PictureError, match=f"CLIP-IQA needs 31 x 31 pixels or more; this picture has {width} x {height}"
    ):
        metric(torch.rand(1, 3, height, width))


def as_archive(path, state):
    """Write a TorchScript archive as OpenAI did: traced, in half precision, with sizes as buffers."""
    network = narrow()
    network.load_state_dict(state)
    network.half()
    network.logit_scale.data = state["logit_scale"]
    for name, size in (("input_resolution", 224), ("context_length", 77), ("vocab_size", 49408)):
        network.register_buffer(name, torch.tensor(size))
    torch.jit.save(
        torch.jit.trace_module(network, {"encode_text": torch.tensor([GOOD_PHOTO])}, check_trace=False), path
    )


def as_converted(path, state):
    """Write a file of the kind that converters make: without counters, maybe with the mask."""
    kept = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    save_file({**kept, "transformer.resblocks.0.attn_mask": torch.zeros(77, 77)}, path)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("RN50.pt", as_archive),
        ("RN50.pth", lambda path, state: torch.save({"state_dict": state}, path)),
        ("RN50.safetensors", as_converted),
    ],
)
def test_archive_and_state_dict_are_read(tmp_path, state, clip, pictures, name, write):
    write(tmp_path / name, state)
    with torch.device("meta"):
        network = narrow()
    load_clip(network, tmp_path / name)
    assert not network.training
    for key, tensor in network.state_dict().items():
        assert tensor.dtype == (torch.int64 if key.endswith("num_batches_tracked") else torch.float32)
        assert torch.equal(tensor, state[key].to(tensor.dtype)), key
    assert torch.equal(CLIPIQA(network)(pictures), CLIPIQA(clip)(pictures))


def test_other_weights_are_refused(tmp_path, state):
    path = tmp_path / "other.pth"
    for changed, message in (
        ({"logit_scale": None}, "logit_scale is missing. Get https://openaipublic"),
        ({"visual.proj": torch.zeros(2)}, "visual.proj is unknown"),
        ({"ln_final.bias": torch.zeros(65)}, r"ln_final.bias is float \(65,\), expected float \(64,\)"),
        (dict.fromkeys(list(state)[:5]), "is missing; .* is missing; .* is missing and 1 more"),
    ):
        torch.save({key: tensor for key, tensor in {**state, **changed}.items() if tensor is not None}, path)
        with pytest.raises(ModelError, match=f"other.pth: these are not the weights of CLIP RN50: .*{message}"):
            load_clip(narrow(), path)
    with pytest.raises(ModelError, match="there is no such weight file"):
        load_clip_iqa(tmp_path / "missing.pt")


def test_a_file_of_the_published_size_is_loaded(tmp_path):
    """Its tensors are one number each, repeated, or it would have 204 MB."""
    with torch.device("meta"):
        expected = CLIPRN50().state_dict()
    same = {name: torch.tensor(0.01, dtype=torch.float16).expand(tensor.shape) for name, tensor in expected.items()}
    torch.save(same, tmp_path / "RN50.pt")
    metric = load_clip_iqa(tmp_path / "RN50.pt")
    assert not metric.training
    assert not any(parameter.requires_grad for parameter in metric.parameters())
    assert metric.state_dict().keys() == {name for name in expected if name.startswith("visual.")}
    torch.testing.assert_close(metric.prompts.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(metric(torch.rand(1, 3, 31, 31)), torch.tensor([0.5]))  # the same prompt twice
