import pytest
import torch
import torch.nn.functional as F

from aimanga import weights
from aimanga.errors import UsageError
from aimanga.models import RRDBNet, UNetDiscriminator, UNetDiscriminatorSN, save_checkpoint
from aimanga.train.networks import build, estimate_norms
from aimanga.train.reading import RecipeFile, load_train_recipe

HEAD = """
[data]
sources = [{ path = "photos" }]
crop = 32
[train]
iterations = 10
"""
PIXEL = "[losses]\npixel = {}\n"
GAN = PIXEL + "gan = {}\n"


def read(tmp_path, text, settings=()) -> RecipeFile:
    path = tmp_path / "recipe.toml"
    path.write_text(HEAD + text)
    return load_train_recipe(path, settings)


def small(tmp_path, **options):
    path = tmp_path / "small.safetensors"
    network = RRDBNet(features=8, blocks=1, growth=4, **options)
    save_checkpoint(path, network, scale=4, license="CC0-1.0")
    return network.eval()


def test_it_starts_with_what_the_weights_give(tmp_path):
    network = small(tmp_path)
    made = build(read(tmp_path, PIXEL + '[model]\nstart = "small.safetensors"\npreset = "aimanga"\n'))
    assert (made.generator.attention, made.generator.upsampler) == ("pixel", "pixelshuffle")
    assert made.start.license == "CC0-1.0"
    assert made.discriminator is made.vgg is None
    assert made.generator.training
    assert made.scale == 4
    x = torch.rand(1, 3, 9, 7)
    assert torch.allclose(made.generator(x), network(x), atol=1e-6)
    assert torch.equal(made.start.network(x), network(x))


def test_the_start_does_not_change_with_what_is_trained(tmp_path):
    small(tmp_path)
    made = build(read(tmp_path, PIXEL + '[model]\nstart = "small.safetensors"\n'))
    pointers = {p.data_ptr() for p in made.start.network.parameters()}
    assert pointers.isdisjoint(p.data_ptr() for p in made.generator.parameters())


def test_random_weights_follow_from_the_seed_alone(tmp_path):
    text = (
        GAN
        + '[model]\nstart = "none"\nscale = 2\nfeatures = 8\nblocks = 2\ngrowth = 4\n[discriminator]\nfeatures = 4\n'
    )
    torch.manual_seed(1)
    before = torch.get_rng_state()
    made = build(read(tmp_path, text))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again, other = build(read(tmp_path, text)), build(read(tmp_path, text, ["train.seed=7"]))
    for network in ("generator", "discriminator"):
        one, two, three = (getattr(x, network).state_dict() for x in (made, again, other))
        assert all(torch.equal(one[name], two[name]) for name in one)
        assert any(not torch.equal(one[name], three[name]) for name in one)
    assert made.scale == 2
    convs = [block.conv3.weight.detach() for block in made.generator.body[0].children() if hasattr(block, "conv3")]
    assert all(float(w.std()) == pytest.approx(0.1 * (2 / w[0].numel()) ** 0.5, rel=0.2) for w in convs)


@pytest.mark.parametrize("kind", [UNetDiscriminator, UNetDiscriminatorSN])
def test_after_some_estimates_the_largest_gain_is_one(kind):
    torch.manual_seed(0)
    network = kind(features=4)
    for _ in range(60):
        estimate_norms(network)
    assert not network.training
    with torch.no_grad():
        network(torch.zeros(1, 3, 8, 8))  # the older kind computes its weights in a pass
        weight = network.conv1.weight
        assert float(torch.linalg.matrix_norm(weight.flatten(1), 2)) == pytest.approx(1, rel=1e-3)


def test_a_discriminator_starts_from_a_file(tmp_path):
    network = UNetDiscriminatorSN(features=4)
    save_checkpoint(tmp_path / "d.safetensors", network)
    text = (
        GAN + '[discriminator]\nkind = "realesrgan"\nfeatures = 4\nstart = "d.safetensors"\n[model]\nstart = "none"\n'
    )
    made = build(read(tmp_path, text, ["model.features=8", "model.blocks=1", "model.growth=4"]))
    for name, tensor in network.state_dict().items():
        assert torch.equal(made.discriminator.state_dict()[name], tensor)


def test_a_discriminator_starts_from_a_published_file(tmp_path, monkeypatch):
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path))
    entry = weights.weight_file("realesrgan-x4plus-netd")
    network = UNetDiscriminatorSN(features=4)
    torch.save({"params": network.state_dict()}, entry.path)
    known = type(entry)(**{**vars(entry), "sha256": weights.sha256_of(entry.path)})
    monkeypatch.setattr(weights, "WEIGHT_FILES", (known,))
    start = 'start = "realesrgan-x4plus-netd"'
    text = f'{GAN}[discriminator]\nkind = "realesrgan"\nfeatures = 4\n{start}\n[model]\nstart = "none"\n'
    made = build(read(tmp_path, text, ["model.features=8", "model.blocks=1", "model.growth=4"]))
    assert torch.equal(made.discriminator.conv9.weight, network.conv9.weight)


def test_all_problems_are_named_at_once_with_their_lines(tmp_path):
    small(tmp_path)
    save_checkpoint(tmp_path / "d.safetensors", UNetDiscriminator(features=4))
    text = GAN + 'perceptual = {}\n[model]\nstart = "gone.safetensors"\n[discriminator]\nstart = "d.safetensors"\n'
    with pytest.raises(UsageError) as caught:
        build(read(tmp_path, text))
    message = str(caught.value)
    assert "line 12, model.start: " in message
    assert "gone.safetensors: there is no such weight file" in message
    assert "line 14, discriminator.start: " in message
    assert "the recipe wants a UNetDiscriminator of 64 features; this is a UNetDiscriminator of" in message
    assert "line 10, losses.perceptual (--set losses.perceptual.weight=0 switches it off): " in message


def test_weights_of_another_kind_are_refused(tmp_path):
    small(tmp_path)
    save_checkpoint(tmp_path / "d.safetensors", UNetDiscriminator(features=4))
    with pytest.raises(
        UsageError, match=r"line 10, model\.start: .*UNetDiscriminator, which does not generate pictures"
    ):
        build(read(tmp_path, PIXEL + '[model]\nstart = "d.safetensors"\n'))
    with pytest.raises(UsageError, match=r"line 11, model\.preset: aimanga: only an RRDBNet has variants"):
        build(read(tmp_path, PIXEL + '[model]\nstart = "realesr-animevideov3-x4"\npreset = "aimanga"\n'))
    with pytest.raises(UsageError, match=r"--set data\.crop: 34 is no multiple of 4"):
        build(read(tmp_path, PIXEL + '[model]\nstart = "small.safetensors"\n', ["data.crop=34"]))


def test_a_made_discriminator_is_undecided_at_first(tmp_path):
    text = GAN + '[model]\nstart = "none"\nfeatures = 8\nblocks = 1\ngrowth = 4\n[discriminator]\nfeatures = 16\n'
    made = build(read(tmp_path, text))
    for logits in made.discriminator(torch.rand(2, 3, 32, 32)):
        assert float(F.softplus(logits.detach()).mean()) == pytest.approx(0.6931, abs=0.25)


@pytest.mark.parametrize(
    ("scale", "settings", "message"),
    [
        (4, ["stored.halo=4"], r"stored\.halo: windows of 64 pixels need a data\.outer_crop at least as large, not 48"),
        (4, ["model.freeze=1", "stored.halo=0"], r"model\.freeze: 1 of 1 blocks leave none to train"),
        (2, ["model.freeze=1", "stored.halo=0"], r"model\.freeze: .* has no features for each pixel of its input"),
    ],
)
def test_windows_have_to_fit_the_network(tmp_path, scale, settings, message):
    network = RRDBNet(features=8, blocks=1, growth=4, scale=scale)
    save_checkpoint(tmp_path / "small.safetensors", network, scale=scale)
    file = read(tmp_path, PIXEL + '[model]\nstart = "small.safetensors"\n', ["data.outer_crop=48", *settings])
    with pytest.raises(UsageError, match=message):
        build(file)


def test_the_halo_of_a_network_of_x2_is_half_as_large_in_pixels(tmp_path):
    save_checkpoint(tmp_path / "small.safetensors", RRDBNet(features=8, blocks=1, growth=4, scale=2), scale=2)
    text = PIXEL + '[model]\nstart = "small.safetensors"\n'
    assert build(read(tmp_path, text, ["data.outer_crop=48", "stored.halo=4"])).scale == 2
