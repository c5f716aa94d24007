"""Build and load the networks of a training."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from aimanga import weights
from aimanga.errors import ModelError, UsageError
from aimanga.hashing import seed_of
from aimanga.models import (
    PERCEPTUAL_NETWORKS,
    PRESETS,
    LoadedModel,
    RRDBNet,
    SRVGGNetCompact,
    UNetDiscriminator,
    UNetDiscriminatorSN,
    Variant,
    VGGFeatures,
    convert,
    load_model,
    load_vgg,
)
from aimanga.models.checkpoint import read_info, read_state
from aimanga.models.detect import build_network
from aimanga.models.networks import Generator
from aimanga.models.rrdbnet import ResidualDenseBlock
from aimanga.problems import Problems
from aimanga.train.reading import RecipeFile
from aimanga.train.recipe import Perceptual, TrainRecipe

_KINDS: dict[str, type[UNetDiscriminator | UNetDiscriminatorSN]] = {
    "multiscale": UNetDiscriminator,
    "realesrgan": UNetDiscriminatorSN,
}

# Dense blocks start with weights smaller than He initialization by this factor (ESRGAN, section 3.1): otherwise the
# activations of many blocks without normalization explode.
_INIT_SCALE = 0.1

# Each update improves the estimates of the spectral norms, which start at random; the first one needs good ones.
_POWER_ITERATIONS = 15


@dataclass(frozen=True)
class Networks:
    """The networks of a training.

    Attributes:
        start: The generator at iteration 0, with what is known about it; never changed.
        generator: The network in training: a copy of `start`, or the variant that the recipe names.
        discriminator: None without an adversarial loss.
        vgg: Extracts the features of the perceptual loss; None without one.
        teacher: The network whose results are the targets; None without one.
    """

    start: LoadedModel
    generator: Generator
    discriminator: UNetDiscriminator | UNetDiscriminatorSN | None
    vgg: VGGFeatures | None
    teacher: Generator | None = None

    @property
    def scale(self) -> int:
        """The scale factor of the generator."""
        return self.start.network_scale

    def trained(self) -> dict[str, nn.Module]:
        """The networks in training, by name."""
        found: dict[str, nn.Module] = {"generator": self.generator}
        return found if self.discriminator is None else found | {"discriminator": self.discriminator}


def build(file: RecipeFile, *, random_vgg: bool = False) -> Networks:
    """Build and load all networks of a recipe.

    Args:
        file: The recipe.
        random_vgg: Use random weights if VGG's are missing: they take the same time and memory.

    Raises:
        UsageError: Weights are missing, damaged, or of another network; the message names all of them.
    """
    recipe = file.recipe
    problems = Problems()
    wrong = (ModelError, UsageError)
    start: LoadedModel | None = None
    generator: Generator | None = None
    with problems.noting(file.where("model", "start"), wrong):
        start = _start(recipe)
        with problems.noting(file.where("model", "preset"), wrong):
            generator = _variant(start, recipe.model.preset)
    discriminator = None
    if "gan" in recipe.losses.active:
        with problems.noting(file.where("discriminator", "start"), wrong):
            discriminator = _discriminator(recipe)
    vgg = None
    if recipe.losses.perceptual is not None and "perceptual" in recipe.losses.active:
        where = f"{file.where('losses', 'perceptual')} (--set losses.perceptual.weight=0 switches it off)"
        with problems.noting(where, wrong):
            vgg = _vgg(recipe.losses.perceptual, random=random_vgg)
    teacher: Generator | None = None
    if recipe.teacher is not None:
        with problems.noting(file.where("teacher"), wrong):
            loaded = load_model(recipe.teacher)
            teacher = copy.deepcopy(loaded.network)
            if start is not None and loaded.network_scale != start.network_scale:
                raise UsageError(f"{recipe.teacher} is of scale {loaded.network_scale}, not {start.network_scale}")
    if start is not None:
        multiple = start.network_scale * start.network.size_multiple
        for name in ("crop", "outer_crop"):
            if (side := getattr(recipe.data, name)) is not None and side % multiple:
                problems.add(f"{file.where('data', name)}: {side} is no multiple of {multiple}")
        if recipe.stored is not None:
            needed = recipe.data.crop + 2 * recipe.stored.halo * start.network_scale
            if needed > recipe.data.read_crop:
                problems.add(
                    f"{file.where('stored', 'halo')}: windows of {needed} pixels need a data.outer_crop at least "
                    f"as large, not {recipe.data.read_crop}"
                )
        if recipe.model.freeze and start.network.size_multiple > 1:
            problems.add(f"{file.where('model', 'freeze')}: {start.name} has no features for each pixel of its input")
        if recipe.model.freeze >= start.network.depth:
            problems.add(
                f"{file.where('model', 'freeze')}: {recipe.model.freeze} of {start.network.depth} blocks leave none "
                "to train"
            )
    problems.refuse()
    assert start is not None
    assert generator is not None
    return Networks(start, generator.train(), discriminator, vgg, teacher)


def estimate_norms(discriminator: UNetDiscriminator | UNetDiscriminatorSN) -> None:
    """Do one step of the power iterations that estimate the spectral norms; call it once per update of the weights.

    In training mode each forward pass would do one: their number would depend on gradient accumulation, and state would
    change within an iteration. Therefore the passes of an iteration use evaluation mode.
    """
    parameter = next(discriminator.parameters())
    smallest = torch.zeros(1, discriminator.in_channels, 8, 8, device=parameter.device)
    discriminator.train()
    with torch.no_grad():
        discriminator(smallest)
    discriminator.eval()


def _start(recipe: TrainRecipe) -> LoadedModel:
    model = recipe.model
    if model.start != "none":
        return load_model(model.start)
    with _seeded(recipe.train.seed, "generator"):
        if model.network == "compact":
            compact = SRVGGNetCompact(scale=model.scale, features=model.features, convs=model.blocks)
            return LoadedModel("random weights", compact, compact.scale, compact.scale, None, "")
        network = RRDBNet(scale=model.scale, features=model.features, blocks=model.blocks, growth=model.growth)
        for block in network.modules():
            if isinstance(block, ResidualDenseBlock):
                for conv in block.children():
                    assert isinstance(conv, nn.Conv2d)
                    assert conv.bias is not None
                    nn.init.kaiming_normal_(conv.weight)
                    with torch.no_grad():
                        conv.weight.mul_(_INIT_SCALE)
                    nn.init.zeros_(conv.bias)
    # PixelShuffle starts as nearest upsampling and not with four random phases, which leave a checkerboard for long
    # (A. Aitken et al., "Checkerboard artifact free sub-pixel convolution", 2017, arXiv:1707.02937).
    network = convert(network, Variant(model.attention, model.upsampler))
    return LoadedModel("random weights", network, network.scale, network.scale, None, "")


def _variant(start: LoadedModel, preset: str | None) -> Generator:
    """A new network with the same output."""
    if preset is None:
        return copy.deepcopy(start.network)
    if not isinstance(start.network, RRDBNet):
        raise ModelError(f"{preset}: only an RRDBNet has variants, not {type(start.network).__name__}")
    return convert(start.network, PRESETS[preset])


def _discriminator(recipe: TrainRecipe) -> UNetDiscriminator | UNetDiscriminatorSN:
    wanted = recipe.discriminator
    kind = _KINDS[wanted.kind]
    if wanted.start is None:
        with _seeded(recipe.train.seed, "discriminator"):
            network = kind(features=wanted.features)
            for _ in range(_POWER_ITERATIONS):
                estimate_norms(network)
    else:
        path = weights.find(wanted.start) if weights.is_name(wanted.start) else Path(wanted.start)
        loaded = build_network(read_state(path), str(path), read_info(path))
        if not isinstance(loaded, kind) or loaded.options["features"] != wanted.features:
            raise ModelError(
                f"{path}: the recipe wants a {kind.__name__} of {wanted.features} features; this is a "
                f"{type(loaded).__name__} of {dict(getattr(loaded, 'options', {}))}"
            )
        network = loaded
    for layer in network.modules():
        if isinstance(layer, nn.InstanceNorm2d):
            layer.eps = wanted.eps
    return network


def is_missing(loss: Perceptual) -> bool:
    """Whether the network of a perceptual loss has to be fetched first."""
    return loss.network in PERCEPTUAL_NETWORKS and not weights.weight_file(loss.network).present


def _vgg(loss: Perceptual, *, random: bool) -> VGGFeatures:
    if random and is_missing(loss):
        with _seeded(0, loss.network):
            found = VGGFeatures(loss.network).requires_grad_(False).eval()
    else:
        found = load_vgg(loss.network)
    unknown = loss.layers.keys() - found.taps.keys()
    if unknown:
        raise UsageError(f"layers {', '.join(sorted(unknown))}: {found.kind} has {', '.join(found.taps)}")
    return found


@contextmanager
def _seeded(seed: int, purpose: str) -> Iterator[None]:
    """Initialize weights from a seed; the global random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, "weights", purpose))
        yield
