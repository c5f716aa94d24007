import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from aimanga import UsageError, mix
from aimanga.errors import ModelError
from aimanga.models import MODELS, RRDBNet, SRVGGNetCompact, UNetDiscriminator, load_model, save_checkpoint
from aimanga.models.catalog import LoadedModel
from aimanga.models.checkpoint import read_info, read_state
from aimanga.models.mix import Mixture, joined_licenses

TINY = {"features": 4, "blocks": 1, "growth": 2}


def compact(seed=0, **options):
    torch.manual_seed(seed)
    return SRVGGNetCompact(**{"features": 4, "convs": 1, "scale": 2} | options)


def constant(value):
    network = compact()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(value)
    return network


def rrdb(seed, **options):
    torch.manual_seed(seed)
    return RRDBNet(**TINY, **options)


def with_noise(network):
    """Weights that no other variant can have."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.rand_like(parameter) * 0.1)
    return network


@pytest.fixture
def file(tmp_path):
    def write(name, network, **about):
        save_checkpoint(tmp_path / name, network, **about)
        return str(tmp_path / name)

    return write


@pytest.mark.parametrize(
    ("factors", "expected"),
    [((0.25, 0.75, 0), 2.5), ((1, 1, -1), 0.0), ((2.5, -3, 1), -2.5), ((0, 0, 1), 4.0), ((1, 0.5, 0.25), 3.5)],
)
def test_the_sum_by_hand(file, tmp_path, factors, expected):
    paths = [file(f"{value}.safetensors", constant(value)) for value in (1.0, 3.0, 4.0)]
    mix(dict(zip(paths, factors, strict=True)), tmp_path / "out.safetensors")
    state = read_state(tmp_path / "out.safetensors")
    assert all(bool((tensor == expected).all()) and tensor.dtype == torch.float32 for tensor in state.values())


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_stored_types_are_added_exactly(tmp_path, kind, suffix):
    """A third in each type is another number, and sums of halves of it are exact in float32."""
    paths = []
    for number in (1, 2):
        state = {name: torch.full_like(tensor, number / 3).to(kind) for name, tensor in compact().state_dict().items()}
        paths.append(tmp_path / f"{number}{suffix}")
        save_file(state, paths[-1]) if suffix == ".safetensors" else torch.save({"params": state}, paths[-1])
    third, two = (torch.tensor(number / 3, dtype=torch.float64).to(kind).float().double() for number in (1, 2))
    mix(dict.fromkeys(paths, 0.5), tmp_path / "out.safetensors")
    expected = (0.5 * third + 0.5 * two).float()
    assert all(bool((tensor == expected).all()) for tensor in load_file(tmp_path / "out.safetensors").values())


def test_one_network_as_it_is_keeps_every_bit(file, tmp_path):
    path = file("a.safetensors", rrdb(1))
    other = file("b.safetensors", rrdb(2))
    for parts in ({path: 1}, {path: 1, other: 0}, {other: 0, path: 1.0}):
        mix(parts, tmp_path / "out.safetensors", overwrite=True)
        before, after = load_file(path), load_file(tmp_path / "out.safetensors")
        assert before.keys() == after.keys()
        assert all(torch.equal(after[name].view(torch.int32), before[name].view(torch.int32)) for name in before)


def test_a_negative_zero_stays_one(file, tmp_path):
    mix({file("a.safetensors", constant(-0.0)): 1}, tmp_path / "out.safetensors")
    assert all(bool(tensor.signbit().all()) for tensor in load_file(tmp_path / "out.safetensors").values())


NETWORKS = [LoadedModel(f"{seed}", compact(seed), 2, 2, None, f"{seed}") for seed in range(3)]
factor = st.floats(-4, 4).map(lambda number: round(number, 3))


@settings(max_examples=25, deadline=None)
@given(st.tuples(factor, factor, factor), st.tuples(factor, factor, factor), factor)
def test_a_mixture_is_linear_in_its_factors(one, other, share):
    between = [a + share * (b - a) for a, b in zip(one, other, strict=True)]
    first, second, made = (
        Mixture(tuple(NETWORKS), tuple(factors)).network().state_dict() for factors in (one, other, between)
    )
    for name, tensor in made.items():
        expected = first[name] + share * (second[name] - first[name])
        torch.testing.assert_close(tensor, expected, atol=1e-4, rtol=1e-4)


def test_models_are_left_as_they_are():
    before = [{name: tensor.clone() for name, tensor in m.network.state_dict().items()} for m in NETWORKS]
    Mixture(tuple(NETWORKS), (0.5, 0.25, 0.25)).network()
    for model, state in zip(NETWORKS, before, strict=True):
        assert all(torch.equal(tensor, state[name]) for name, tensor in model.network.state_dict().items())


def test_the_file_says_where_it_comes_from(file, tmp_path):
    a = file("a.safetensors", rrdb(1), scale=4, license="MIT", training_data="mine")
    b = file("b.safetensors", rrdb(2), license="BSD-3-Clause", training_data="yours")
    mixture = mix([f"{a}=1.5", f"{b}=-0.5"], tmp_path / "out.safetensors")
    info = read_info(tmp_path / "out.safetensors")
    digests = [load_model(path).sha256 for path in (a, b)]
    assert info.parent == f"1.5 {a} (sha256 {digests[0]}) - 0.5 {b} (sha256 {digests[1]})"
    assert (info.license, info.training_data, info.scale) == ("MIT AND BSD-3-Clause", "mine; yours", 4)
    assert mixture.text == f"1.5 {a} - 0.5 {b}"
    assert mixture.arguments == [f"{a}=1.5", f"{b}=-0.5"]
    assert mixture.notes == []
    assert mix([f"{a}=0", f"{b}=1"], tmp_path / "only.safetensors").license == "BSD-3-Clause"


def test_the_same_mixture_has_the_same_bytes(file, tmp_path):
    parts = {file("a.safetensors", rrdb(1)): 0.3, file("b.safetensors", rrdb(2)): 0.7}
    for name in ("one", "two"):
        mix(parts, tmp_path / f"{name}.safetensors")
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("licenses", "joined"),
    [
        (["MIT", "MIT"], "MIT"), (["MIT", None], None), (["MIT", "CC0-1.0", "MIT"], "MIT AND CC0-1.0"),
        (["MIT AND CC0-1.0", "CC0-1.0"], "MIT AND CC0-1.0"), (["MIT OR CC0-1.0", "MIT"], "(MIT OR CC0-1.0) AND MIT"),
        (["MIT OR CC0-1.0"] * 2, "MIT OR CC0-1.0"),
    ],
)  # fmt: skip
def test_licences_are_joined_as_one_expression(licenses, joined):
    assert joined_licenses(licenses) == joined


def test_what_should_be_known_is_said(file, tmp_path):
    a, b = file("a.safetensors", rrdb(1), license="MIT"), file("b.safetensors", rrdb(2))
    notes = mix({a: 0.5, b: 0.6}, tmp_path / "out.safetensors").notes
    assert notes[0].startswith("the factors sum to 1.1, not to 1")
    assert notes[1] == f"the licence is unknown, since that of {b} is"


def test_a_plain_network_is_converted_to_the_variant_of_the_other(file, tmp_path):
    plain = file("plain.safetensors", rrdb(1), license="MIT")
    other = file("other.safetensors", with_noise(rrdb(2, attention="pixel", upsampler="pixelshuffle")), license="MIT")
    x = torch.rand(1, 3, 8, 8)
    mixture = mix({plain: 1, other: 0}, tmp_path / "out.safetensors")
    made = load_model(tmp_path / "out.safetensors").network
    assert (made.attention, made.upsampler) == ("pixel", "pixelshuffle")
    assert mixture.notes == [
        f"{plain}: converted to attention pixel, upsampler pixelshuffle, with the same output"
    ]  # fmt: skip
    with torch.no_grad():
        torch.testing.assert_close(made(x), load_model(plain).network(x), atol=1e-5, rtol=0)


def test_variants_that_exclude_each_other_are_refused(file, tmp_path):
    paths = [file(f"{kind}.safetensors", with_noise(rrdb(1, attention=kind))) for kind in ("pixel", "channel")]
    with pytest.raises(UsageError, match=r"channel.safetensors has attention channel, .*pixel.safetensors pixel: .*"):
        mix(dict.fromkeys(paths, 0.5), tmp_path / "out.safetensors")


def test_all_problems_are_named_at_once(file, tmp_path):
    good = file("a=b.safetensors", rrdb(1))
    smaller = file("c.safetensors", RRDBNet(**TINY | {"growth": 3}))
    compact_one = file("d.safetensors", compact())
    discriminator = file("e.safetensors", UNetDiscriminator(features=4))
    state = rrdb(2).state_dict()
    del state["conv_last.bias"]
    lacking, damaged = tmp_path / "f.safetensors", tmp_path / "g.safetensors"
    save_file(state, lacking)
    damaged.write_bytes(b"nothing")
    parts = [
        f"{good}=1", f"{smaller}=1", f"{compact_one}=1", f"{discriminator}=1", f"{lacking}=1", f"{damaged}=1",
        f"{tmp_path / 'h.pth'}=1", "nobody=1", "i.pth", "j.pth=x", "=1",
    ]  # fmt: skip
    with pytest.raises(UsageError) as caught:
        mix(parts, tmp_path / "out.pth")
    # The collector shows ten; one more is counted.
    words = (
        "i.pth: a model and its factor were expected, such as i.pth=0.5", "j.pth=x: a model", "=1: the model before",
        "out.pth: a mixture is written to a .safetensors file", "e.safetensors: this is a UNetDiscriminator",
        "f.safetensors: this looks like RRDBNet, but does not fit: conv_last.bias is missing",
        "g.safetensors: this .safetensors file is damaged", "h.pth: there is no such weight file",
        "nobody: no model of this name", "different networks: growth 2 and 3", "and 1 more",
    )  # fmt: skip
    for word in words:
        assert word in str(caught.value)
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e400"])
def test_factors_are_finite(file, tmp_path, number):
    with pytest.raises(UsageError, match="a factor is a finite number"):
        mix([f"{file('a.safetensors', rrdb(1))}={number}"], tmp_path / "out.safetensors")


def test_what_is_no_mixture(file, tmp_path):
    a, out = file("a.safetensors", rrdb(1)), tmp_path / "out.safetensors"
    copy = file("copy.safetensors", rrdb(1))
    for parts, message in (
        ([], "nothing to mix"),
        ([f"{a}=0"], "all factors are 0"),
        ([f"{a}=1", f"{a}=2"], "a.safetensors: the same weights are named twice"),
        ([f"{a}=1", f"{copy}=2"], "a.safetensors and .*copy.safetensors: the same weights are named twice"),
    ):
        with pytest.raises(UsageError, match=message):
            mix(parts, out)
    with pytest.raises(ModelError, match=r"1e\+300 .*a.safetensors: .* is not finite"):
        mix({a: 1e300}, out)
    assert not out.exists()


def test_no_file_is_replaced_by_accident(file, tmp_path):
    a, b = file("a.safetensors", rrdb(1)), file("b.safetensors", rrdb(2))
    before = Path(b).read_bytes()
    with pytest.raises(UsageError, match=r"b.safetensors: this file exists; choose another name, or --overwrite"):
        mix({a: 1}, b)
    with pytest.raises(UsageError, match="one of the files to mix"):
        mix({a: 0.5, b: 0.5}, tmp_path / "." / "b.safetensors", overwrite=True)
    assert Path(b).read_bytes() == before
    mix({a: 1}, b, overwrite=True)
    assert Path(b).read_bytes() != before


def test_a_model_of_the_catalogue_has_a_name(tmp_path):
    model = next(model for model in MODELS if model.network == "SRVGGNetCompact" and model.weights.present)
    mixture = mix([f"{model.name}=1"], tmp_path / "out.safetensors")
    assert mixture.text == f"1 {model.name}"
    assert read_info(tmp_path / "out.safetensors").license == mixture.license == model.license
    assert math.fsum(mixture.factors) == 1
