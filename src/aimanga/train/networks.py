"""The networks of a training, as they are before its first iteration."""

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
    PRESETS,
    LoadedModel,
    RRDBNet,
    UNetDiscriminator,
    UNetDiscriminatorSN,
    Variant,
    VGG19Features,
    convert,
    load_model,
    load_vgg19,
)
from aimanga.models.checkpoint import read_info, read_state
from aimanga.models.detect import build_network
from aimanga.models.networks import Generator
from aimanga.models.rrdbnet import ResidualDenseBlock
from aimanga.train.recipe import RecipeFile, TrainRecipe

_KINDS: dict[str, type[UNetDiscriminator | UNetDiscriminatorSN]] = {
    "multiscale": UNetDiscriminator,
    "realesrgan": UNetDiscriminatorSN,
}

# Dense blocks start with weights this much smaller than the rectifiers call for (ESRGAN, section 3.1): otherwise the
# sums of many blocks without normalization grow out of all bounds.
_SMALL = 0.1

# The estimates of the spectral norms start at random and are improved with each update; they have to be near from the
# first one on.
_POWER_ITERATIONS = 15


@dataclass(frozen=True)
class Networks:
    """What is trained, and what helps.

    Attributes:
        start: The generator as it starts, and what is known about it; its network is never changed.
        generator: What is trained: the same network, or the variant that the recipe wants of it.
        discriminator: Its opponent; None without a GAN loss.
        vgg: What finds the features of the perceptual loss; None without one.
    """

    start: LoadedModel
    generator: Generator
    discriminator: UNetDiscriminator | UNetDiscriminatorSN | None
    vgg: VGG19Features | None

    @property
    def scale(self) -> int:
        """The generator's factor."""
        return self.start.network_scale

    def trained(self) -> dict[str, nn.Module]:
        """The networks that are trained, by name."""
        found: dict[str, nn.Module] = {"generator": self.generator}
        return found if self.discriminator is None else found | {"discriminator": self.discriminator}


def build(file: RecipeFile, *, stand_in: bool = False) -> Networks:
    """Build and load all networks that a recipe wants.

    Args:
        file: The recipe.
        stand_in: Where VGG19's weights are missing take random ones: as slow, for measurements of time and memory.

    Raises:
        UsageError: Weights are missing, damaged, or of another network; all such problems are named at once.
    """
    recipe = file.recipe
    problems: list[str] = []
    start: LoadedModel | None = None
    generator: Generator | None = None
    with _naming(problems, file.where("model", "start")):
        start = _start(recipe)
        with _naming(problems, file.where("model", "preset")):
            generator = _variant(start, recipe.model.preset)
    discriminator = None
    if "gan" in recipe.losses.active:
        with _naming(problems, file.where("discriminator", "start")):
            discriminator = _discriminator(recipe)
    vgg = None
    if "perceptual" in recipe.losses.active:
        with _naming(problems, file.where("losses", "perceptual"), "; --set losses.perceptual.weight=0 goes without"):
            vgg = _random_vgg() if stand_in and not weights.weight_file("vgg19").path.is_file() else load_vgg19()
    if start is not None:
        multiple = start.network_scale * start.network.size_multiple
        if recipe.data.crop % multiple:
            problems.append(f"{file.where('data', 'crop')}: {recipe.data.crop} is no multiple of {multiple}")
    if problems:
        raise UsageError("; ".join(problems))
    assert start is not None
    assert generator is not None
    return Networks(start, generator.train(), discriminator, vgg)


def estimate_norms(discriminator: UNetDiscriminator | UNetDiscriminatorSN) -> None:
    """Do one step of the power iterations that estimate the spectral norms, once an update of the weights.

    In training mode each forward pass would do one: a number of them that depends on how a batch is cut, and state
    that is changed amid an iteration. The passes of an iteration use evaluation mode, therefore.
    """
    parameter = next(discriminator.parameters())
    smallest = torch.zeros(1, discriminator.in_channels, 8, 8, device=parameter.device)
    discriminator.train()
    with torch.no_grad():
        discriminator(smallest)
    discriminator.eval()


@contextmanager
def _naming(problems: list[str], where: str, remedy: str = "") -> Iterator[None]:
    """Collect what is wrong, with its place in the recipe."""
    try:
        yield
    except (ModelError, UsageError) as error:
        problems.append(f"{where}: {error}{remedy}")


def _start(recipe: TrainRecipe) -> LoadedModel:
    model = recipe.model
    if model.starts_from is not None:
        return load_model(model.starts_from)
    with _seeded(recipe.train.seed, "generator"):
        network = RRDBNet(scale=model.scale, features=model.features, blocks=model.blocks, growth=model.growth)
        for block in network.modules():
            if isinstance(block, ResidualDenseBlock):
                for conv in block.children():
                    assert isinstance(conv, nn.Conv2d)
                    assert conv.bias is not None
                    nn.init.kaiming_normal_(conv.weight)
                    with torch.no_grad():
                        conv.weight.mul_(_SMALL)
                    nn.init.zeros_(conv.bias)
    # PixelShuffle begins as nearest upsampling and not with four phases at random, which leave a checkerboard for long
    # (A. Aitken et al., "Checkerboard artifact free sub-pixel convolution", 2017, arXiv:1707.02937).
    network = convert(network, Variant(model.attention, model.upsampler))
    return LoadedModel("random weights", network, network.scale, network.scale, None, "")


def _variant(start: LoadedModel, preset: str | None) -> Generator:
    """A network of its own, which gives the same pictures."""
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
            return network
    path = weights.find(wanted.start) if weights.is_name(wanted.start) else Path(wanted.start)
    loaded = build_network(read_state(path), str(path), read_info(path))
    if not isinstance(loaded, kind) or loaded.options["features"] != wanted.features:
        raise ModelError(
            f"{path}: the recipe wants a {kind.__name__} of {wanted.features} features; this is a "
            f"{type(loaded).__name__} of {dict(getattr(loaded, 'options', {}))}"
        )
    return loaded


def _random_vgg() -> VGG19Features:
    with _seeded(0, "vgg19"):
        return VGG19Features().requires_grad_(False).eval()


@contextmanager
def _seeded(seed: int, purpose: str) -> Iterator[None]:
    """Draw first weights from a seed; the global random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, "first weights", purpose))
        yield
