import copy
import math
import re

import pytest
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from lightning_fabric.strategies.single_device import SingleDeviceStrategy
from torch.amp import GradScaler

from aimanga.degrade.blur import usm_sharpen
from aimanga.errors import DivergedError
from aimanga.models import RRDBNet, UNetDiscriminator, UNetDiscriminatorSN, VGGFeatures
from aimanga.models.catalog import LoadedModel
from aimanga.train.fabric import Autocast, make_fabric
from aimanga.train.learner import L1, Learner
from aimanga.train.networks import Networks, estimate_norms
from aimanga.train.recipe import TrainRecipe

RATES = {"generator": 1e-3, "discriminator": 1e-3}


def recipe(losses=None, *, compute=None, **train):
    return TrainRecipe(
        data={"sources": [{"path": "x"}], "crop": 32},
        losses=losses or {"pixel": {"weight": 1.0}, "gan": {"weight": 0.1}},
        train={"iterations": 10, "batch_size": 4, **train},
        compute={"precision": "fp32", **(compute or {})},
    )


def networks(kind=UNetDiscriminator, *, vgg=False, gan=True):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        generator = RRDBNet(features=8, blocks=1, growth=4, attention="pixel", upsampler="pixelshuffle")
        discriminator = kind(features=4)
        features = VGGFeatures().requires_grad_(False).eval() if vgg else None
        estimate_norms(discriminator)
    start = LoadedModel("start", copy.deepcopy(generator), 4, 4, None, "")
    return Networks(start, generator, discriminator if gan else None, features)


def learner(recipe, made=None, scaler=None):
    fabric, _, _ = make_fabric("cpu", recipe)
    if scaler is not None:
        precision = Autocast("16-mixed", "cpu", scaler)
        fabric = Fabric(strategy=SingleDeviceStrategy(torch.device("cpu"), precision=precision))
    return Learner(made or networks(gan="gan" in recipe.losses.active), recipe, fabric, scaler)


def batch(seed=0, n=4):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, 3, 8, 8, generator=generator), torch.rand(n, 3, 32, 32, generator=generator)


def bits(learner):
    return {name: tensor.clone() for name, tensor in learner.state()[0].items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("kind", [UNetDiscriminator, UNetDiscriminatorSN])
def test_the_gradients_are_those_of_separate_passes(kind):
    """The usual way: the discriminator frozen for the generator's step, then run again on detached outputs."""
    made = networks(kind, vgg=True)
    generator, discriminator, vgg = map(copy.deepcopy, (made.generator, made.discriminator, made.vgg))
    discriminator.eval()
    low, high = batch()
    losses = {
        "pixel": {"weight": 2.0, "sharpened": True}, "gan": {"weight": 0.3},
        "perceptual": {"weight": 0.5, "sharpened": True, "layers": {"conv1_2": 0.1, "conv5_4": 1.0}},
    }  # fmt: skip

    def logits(x):
        found = discriminator(x)
        return [found] if isinstance(found, torch.Tensor) else found

    def opinion(maps, real):
        return sum(F.binary_cross_entropy_with_logits(x, torch.full_like(x, float(real))) for x in maps) / len(maps)

    sharp = usm_sharpen(high)
    pictures = generator(low)
    found, wanted = vgg(pictures), vgg(sharp)
    features = 0.1 * F.l1_loss(found["conv1_2"], wanted["conv1_2"]) + F.l1_loss(found["conv5_4"], wanted["conv5_4"])
    total = 2 * F.l1_loss(pictures, sharp) + 0.5 * features + 0.3 * opinion(logits(pictures), 1)
    expected = torch.autograd.grad(total, list(generator.parameters()))
    opinions = opinion(logits(high), 1) + opinion(logits(pictures.detach()), 0)
    expected += torch.autograd.grad(opinions, list(discriminator.parameters()))

    trained = learner(recipe(losses, compute={"channels_last": False}), made)
    gradients = []
    parameters = [*trained.generator.parameters(), *trained.discriminator.parameters()]
    for parameter in parameters:
        parameter.register_post_accumulate_grad_hook(lambda p: gradients.append((p, p.grad.clone())))
    figures = trained.step(low, high, {"generator": 0.0, "discriminator": 0.0}).read()
    by_parameter = {id(p): gradient for p, gradient in gradients}
    assert len(gradients) == len(parameters)
    for parameter, gradient in zip(parameters, expected, strict=True):
        assert torch.allclose(by_parameter[id(parameter)], gradient, rtol=1e-4, atol=1e-7)
    assert figures["total"] == pytest.approx(float(total.detach()), rel=1e-5)
    assert figures["discriminator_real"] + figures["discriminator_fake"] == pytest.approx(
        float(opinions.detach()), rel=1e-5
    )
    assert figures["gradient discriminator"] == pytest.approx(
        math.sqrt(sum(float(x.detach().square().sum()) for x in expected[len(list(generator.parameters())) :])),
        rel=1e-4,
    )
    assert figures[L1] == pytest.approx(float(F.l1_loss(pictures, high).detach()), rel=1e-5)


@pytest.mark.parametrize(("kind", "parts"), [(UNetDiscriminator, 2), (UNetDiscriminatorSN, 4)])
def test_a_batch_in_parts_gives_the_same(kind, parts):
    whole = learner(recipe(grad_clip=0.1), networks(kind))
    cut = learner(recipe(grad_clip=0.1, accumulate=parts), networks(kind))
    for seed in range(2):
        figures = [trained.step(*batch(seed), RATES).read() for trained in (whole, cut)]
        for name, value in figures[0].items():
            assert figures[1][name] == pytest.approx(value, rel=2e-3), name
    for name, tensor in whole.state()[0].items():
        assert torch.allclose(cut.state()[0][name], tensor, atol=2e-4), name


@pytest.mark.parametrize("kind", [UNetDiscriminator, UNetDiscriminatorSN])
def test_it_goes_on_from_its_state_bit_by_bit(kind):
    made = learner(recipe(), networks(kind))
    for seed in range(3):
        made.step(*batch(seed), RATES)
    tensors, rest = made.state()
    # As a file keeps them: without their order in memory.
    tensors = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    for seed in range(3, 6):
        made.step(*batch(seed), RATES)
    other = learner(recipe(), networks(kind))
    other.step(*batch(9), RATES)
    other.restore(tensors, rest)
    for seed in range(3, 6):
        other.step(*batch(seed), RATES)
    assert same(bits(made), bits(other))


def test_the_state_does_not_depend_on_the_layout_of_the_memory():
    tensors = [learner(recipe(compute={"channels_last": last})).state()[0] for last in (True, False)]
    assert same(*tensors)


def test_all_losses_together_teach():
    losses = {
        "pixel": {"kind": "charbonnier"}, "gan": {"weight": 0.01, "kind": "least_squares"}, "ldl": {"weight": 1.0},
        "focal_frequency": {"weight": 0.1}, "colour": {"weight": 0.5}, "feature_matching": {"weight": 0.01},
        "grid": {"weight": 0.1},
    }  # fmt: skip
    made = learner(recipe(losses))
    low, _ = batch(n=1)
    high = F.interpolate(low, scale_factor=4, mode="nearest")
    figures = [made.step(low, high, RATES).read() for _ in range(15)]
    assert figures[0].keys() == {
        "l1", "pixel", "gan", "ldl", "focal_frequency", "colour", "grid", "feature_matching", "total",
        "discriminator_real", "discriminator_fake", "gradient generator", "gradient discriminator",
    }  # fmt: skip
    assert figures[-1][L1] < 0.8 * figures[0][L1]


def test_the_average_follows_the_weights():
    made = learner(recipe(ema={"decay": 0.75}))
    before = made.generator.conv_last.weight.detach().clone()
    made.step(*batch(), RATES)
    after = made.generator.conv_last.weight
    assert not torch.equal(before, after)
    assert torch.allclose(made.ema.conv_last.weight, torch.lerp(before, after, 0.25))
    assert not any(p.requires_grad for p in made.ema.parameters())


def test_without_an_average_the_weights_themselves_come_out():
    made = learner(recipe(ema={"decay": 0}))
    assert made.ema is made.generator
    assert not any(name.startswith("ema.") for name in made.state()[0])


def test_what_is_not_finite_changes_nothing():
    made = learner(recipe())
    made.step(*batch(), RATES)
    before = bits(made)
    low, high = batch(1)
    high[0, 0, 0, 0] = math.nan
    figures = made.step(low, high, RATES)
    with pytest.raises(DivergedError, match="not finite: l1, pixel, total, discriminator_real"):
        figures.read()
    assert made.consistent
    assert same(before, bits(made))
    made.step(*batch(2), RATES)  # and no gradient is left over
    other = learner(recipe())
    other.step(*batch(), RATES)
    other.step(*batch(2), RATES)
    assert same(bits(made), bits(other))


def test_long_gradients_are_cut():
    steps = []
    for clip in (None, 1e-6):
        made = learner(recipe({"pixel": {}}, grad_clip=clip, betas=(0.0, 0.0)))
        made.optimizers["generator"].param_groups[0]["eps"] = 1.0  # so that the step is as long as the gradient
        before = made.generator.conv_last.bias.detach().clone()
        made.step(*batch(), RATES)
        steps.append(float((made.generator.conv_last.bias.detach() - before).abs().max()))
    assert steps[1] < 0.01 * steps[0]


def test_a_scaler_leaves_out_what_overflows_and_goes_on():
    made = learner(recipe(), scaler=GradScaler("cpu", init_scale=2.0**30))
    before = bits(made)
    figures = made.step(*batch(), RATES).read()
    assert not math.isfinite(figures["gradient generator"])
    assert all(
        torch.equal(before[name], tensor) for name, tensor in bits(made).items() if name.startswith("generator.")
    )
    assert made.state()[1]["scaler"]["scale"] == 2.0**29
    scaled = learner(recipe(), scaler=GradScaler("cpu", init_scale=2.0**10))
    plain = learner(recipe())
    for seed in range(2):
        found, expected = (made.step(*batch(seed), RATES).read() for made in (scaled, plain))
        for name, value in expected.items():
            assert found[name] == pytest.approx(value, rel=0.01), name
    for name, tensor in plain.state()[0].items():
        if name.endswith("weight"):
            assert (scaled.state()[0][name] - tensor).norm() < 0.05 * tensor.norm() + 1e-6, name


def test_bfloat16_is_near_float32():
    losses = {"pixel": {}, "gan": {"weight": 0.1}, "perceptual": {"weight": 0.1}}
    figures = []
    for precision in ("fp32", "bf16"):
        made = learner(recipe(losses, compute={"precision": precision}), networks(vgg=True))
        figures.append([made.step(*batch(seed), RATES).read() for seed in range(3)][-1])
        assert all(p.dtype == torch.float32 for p in made.generator.parameters())
    for name, value in figures[0].items():
        assert figures[1][name] == pytest.approx(value, rel=0.03), name


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch.compile's own
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # likewise
@pytest.mark.filterwarnings("ignore:Dynamo does not know how to trace:UserWarning")  # PyTorch 2.8
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_compiled_blocks_train_as_plain_ones(monkeypatch, precision):
    """Traced with both backward passes, but run by PyTorch itself: compiling its kernels takes half a minute."""
    compiled_once = []
    compile = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda f, **how: compiled_once.append(f) or compile(f, backend="aot_eager", **how)
    )
    plain, compiled = (learner(recipe(compute={"compile": flag, "precision": precision})) for flag in (False, True))
    for trained in (plain, compiled):
        trained.step(*batch(), RATES)
    assert len(compiled_once) == 1
    assert compiled.warning is None
    tolerance = 1e-6 if precision == "fp32" else 2e-3
    for name, tensor in plain.state()[0].items():
        assert torch.allclose(compiled.state()[0][name], tensor, atol=tolerance), name


@pytest.mark.parametrize(
    ("compiler", "message"),
    [
        (lambda f, **how: lambda *x: f(*x) + 1, r"compiled blocks differ from eager ones by .*%"),
        (lambda f, **how: lambda *x: 1 / 0, r"torch\.compile failed \(division by zero\)"),
    ],
)
def test_a_compiler_that_fails_is_told_and_left_out(monkeypatch, compiler, message):
    monkeypatch.setattr(torch, "compile", compiler)
    plain, compiled = (learner(recipe(compute={"compile": flag})) for flag in (False, True))
    for trained in (plain, compiled):
        trained.step(*batch(), RATES)
    assert re.match(message, compiled.warning)
    assert same(bits(plain), bits(compiled))


def test_auto_compiles_on_gpus_only(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda *arguments, **how: 1 / 0)
    learner(recipe(iterations=5000)).step(*batch(), RATES)


def test_the_discriminator_learns_alone_at_first():
    made = learner(recipe())
    before = bits(made)
    figures = made.step(*batch(), RATES, first=True).read()
    assert figures.keys() == {"l1", "discriminator_real", "discriminator_fake", "gradient discriminator"}
    now = bits(made)
    assert {name.split(".")[0] for name in before if not torch.equal(before[name], now[name])} == {"discriminator"}
    after = made.step(*batch(), RATES, first=True).read()
    assert after["discriminator_real"] + after["discriminator_fake"] < (
        figures["discriminator_real"] + figures["discriminator_fake"]
    )


def test_the_results_of_a_teacher_replace_the_true_crops():
    made = networks(gan=False)
    teacher = RRDBNet(features=4, blocks=1, growth=4)
    low, high = batch()
    with torch.no_grad():
        wanted = teacher(low).clamp(0, 1)
        expected = float(F.l1_loss(made.generator(low), wanted))
    found = learner(recipe({"pixel": {}}), Networks(made.start, made.generator, None, None, teacher))
    assert found.step(low, high, RATES).read()["pixel"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("gan", [True, False])
def test_frozen_blocks_stay_and_the_others_learn_as_in_the_whole_network(gan):
    """On whole pictures, whose border is the true one, in any turn of the crops."""
    losses = {"pixel": {}, "ldl": {"weight": 0.1}, **({"gan": {"weight": 0.1}} if gan else {})}
    torch.manual_seed(0)
    generator = RRDBNet(features=8, blocks=3, growth=4)
    discriminator = networks().discriminator if gan else None
    start = LoadedModel("start", generator, 4, 4, None, "")
    whole, frozen = (
        learner(
            recipe(losses).replaced(model={"freeze": freeze}),
            Networks(start, copy.deepcopy(generator), copy.deepcopy(discriminator), None),
        )
        for freeze in (0, 2)
    )
    before = bits(frozen)
    low, high = batch()
    with torch.no_grad():
        features = generator.begin(low, 2)
    figures = [
        whole.step(low, high, RATES).read(), frozen.step(features, high, RATES, turns=(0, 0, 0, 0)).read()
    ]  # fmt: skip
    for name in figures[0].keys() - {"gradient generator"}:
        assert figures[1][name] == pytest.approx(figures[0][name], rel=1e-4), name
    theirs = bits(whole)
    for name, tensor in bits(frozen).items():
        if not name.startswith(("generator.", "ema.")):
            continue
        if name.split(".", 1)[1].startswith(("conv_first", "body.0.", "body.1.")):
            assert torch.equal(before[name], tensor), name
        else:
            assert torch.allclose(theirs[name], tensor, atol=2e-4), name


def test_a_window_counts_only_in_its_core_and_in_every_turn():
    made = networks(gan=False)
    found = learner(
        recipe({"pixel": {}}).replaced(model={"freeze": 1}, stored={}),
        Networks(made.start, RRDBNet(features=8, blocks=2, growth=4), None, None),
    )
    low, _ = batch()
    with torch.no_grad():
        features = found.generator.begin(low, 1)
        core = found.generator(low)[:, :, 8:24, 8:24]
    for turns in ((0, 0, 0, 0), (1, 2, 4, 7)):
        figures = found.step(features, core, {"generator": 0.0}, turns=turns).read()
        assert figures["pixel"] == pytest.approx(0, abs=1e-6)
