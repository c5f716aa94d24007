"""Recipes of training: what is trained, on what, towards what, for how long. One typed table for each."""

import json
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from aimanga import weights
from aimanga.config import Config, Key, explain, key_lines, place, read_toml, recipe_file
from aimanga.degrade.recipe import DEGRADATIONS
from aimanga.errors import UsageError
from aimanga.losses import GanLoss
from aimanga.models import MODELS
from aimanga.models.rrdbnet import Attention, Upsampler

SHIPPED = ("aimanga", "psnr", "smoke")
"""The recipes that come with the package: `train-NAME.toml`."""

Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]

_LAYERS = {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}


_SHAPE = ("scale", "features", "blocks", "growth", "attention", "upsampler")


class Model(Config):
    """The generator: from where it starts, and what it becomes."""

    start: str = "realesrgan-x4plus"
    """A model's name or a weight file, relative to this recipe, to start from; "none" for random weights."""
    preset: Literal["realesrgan", "aimanga"] | None = None
    """The variant of RRDBNet that it is turned into, with the same pictures; left out, it stays as it is."""
    scale: Literal[1, 2, 4] = 4
    """Factor of a network that starts with random weights, like all that follow."""
    features: Count = 64
    """Channels of its trunk."""
    blocks: Count = 23
    """Number of its blocks."""
    growth: Count = 32
    """Channels that a layer of its dense blocks adds."""
    attention: Attention = "none"
    """Its attention: none, pixel, channel."""
    upsampler: Upsampler = "nearest"
    """Its upsampler: nearest, pixelshuffle."""

    @model_validator(mode="after")
    def _one_way_only(self) -> Self:
        fields = type(self).model_fields
        shape = [name for name in _SHAPE if getattr(self, name) != fields[name].default]
        if self.starts_from is not None and shape:
            raise ValueError(f'{", ".join(shape)}: the weights decide that; start = "none" makes a new network')
        return self

    @property
    def starts_from(self) -> str | None:
        """The model or file to start from; None for random weights."""
        return None if self.start == "none" else self.start


class Discriminator(Config):
    """The network that tells real pictures from made ones."""

    kind: Literal["multiscale", "realesrgan"] = "multiscale"
    """multiscale: the method's own, with three maps of logits. realesrgan: Real-ESRGAN's, with one."""
    features: Count = 64
    """Its channels at full resolution."""
    start: str | None = None
    """A weight file, relative to this recipe, or a name of `aimanga weights` (realesrgan-x4plus-netd), to start from;
    left out, random weights."""


class Source(Config):
    """Pictures to learn from."""

    path: str
    """Relative to this recipe: a folder that `aimanga curate` made, one that `aimanga degrade pairs` made, a folder of
    pictures, or one picture. Of the first kind the kept pictures or their crops are taken, of the second the pairs as
    they are stored."""
    lr: str | None = None
    """A folder with pictures of low resolution and equal names: pairs of the user's own, which are not degraded."""
    weight: Positive = 1.0
    """How often it is drawn from, in proportion to the weights of the others."""
    recursive: bool = True
    """Enter subfolders of a folder of pictures."""


class Data(Config):
    """What it learns from."""

    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    """Where the pictures are."""
    degradation: str = "aimanga"
    """The recipe that makes pictures of low resolution: a name (aimanga, realesrgan, bicubic) or a file, relative to
    this recipe."""
    crop: Annotated[int, Field(ge=16)] = 256
    """Side of the squares that are cut from the pictures of high resolution, in pixels."""
    flip: bool = True
    """Mirror and turn the squares at random."""
    problems: Literal["refuse", "skip"] = "refuse"
    """What is done about pictures that are unreadable, too small, or copies of one another: refuse to start, or go on
    without them."""
    max_pixels: Count = 2**28
    """Pictures with more pixels count as unreadable."""
    readers: Annotated[int, Field(ge=0, le=64)] = 2
    """Threads that read pictures ahead; 0 reads them when they are needed. Two batches at most are read ahead."""


class Pixel(Config):
    """The difference of the samples."""

    weight: Weight = 1.0
    """Its share in the sum; 0 leaves it out."""
    kind: Literal["l1", "charbonnier"] = "l1"
    """Mean absolute difference, or the same with a smooth foot."""
    sharpened: bool = False
    """Compare with the sharpened picture (unsharp masking), as Real-ESRGAN does."""


class Perceptual(Config):
    """The difference of the features that VGG19 finds."""

    weight: Weight = 1.0
    """Its share in the sum; 0 leaves it out."""
    layers: Annotated[
        dict[Literal["conv1_2", "conv2_2", "conv3_4", "conv4_4", "conv5_4"], Positive], Field(min_length=1)
    ] = _LAYERS  # type: ignore[assignment]  # checked as all defaults of a table are
    """Weights of the layers, before their activation."""
    sharpened: bool = False
    """Compare with the sharpened picture."""


class Gan(Config):
    """What the discriminator finds."""

    weight: Weight = 0.1
    """Its share in the sum; 0 leaves it and the discriminator out."""
    kind: GanLoss = "vanilla"
    """vanilla, hinge, least_squares."""


class Weighted(Config):
    """A loss with nothing to choose but its weight."""

    weight: Weight = 1.0
    """Its share in the sum; 0 leaves it out."""


class Losses(Config):
    """Towards what it learns: the weighted sum of those that are named."""

    pixel: Pixel | None = None
    """The samples."""
    perceptual: Perceptual | None = None
    """VGG19's features; needs `aimanga weights fetch vgg19`."""
    gan: Gan | None = None
    """The discriminator's opinion."""
    ldl: Weighted | None = None
    """Artifacts, told from detail by the local variance of the differences; needs the average of the weights."""
    focal_frequency: Weighted | None = None
    """Frequencies, the wrong ones more."""
    ms_ssim: Weighted | None = None
    """Structure at five scales; at fewer where the crop is below 161."""
    colour: Weighted | None = None
    """Mean colours of 16 x 16 pixels."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.active - {"gan"}:
            raise ValueError(
                "at least one loss besides gan needs a weight above 0: nothing else ties the result to the picture"
            )
        return self

    @property
    def active(self) -> frozenset[str]:
        """Names of the losses with a weight above 0."""
        return frozenset(name for name, loss in self if loss is not None and loss.weight > 0)


class Average(Config):
    """The exponential moving average of the weights: what is validated, and what comes out."""

    decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Share of the old average that each iteration keeps; 0 for the weights themselves."""


class Train(Config):
    """How long and how fast it learns."""

    iterations: Count
    """After how many it ends."""
    hours: Positive | None = None
    """After how many hours it stops and saves, wherever it is; left out, it goes on to the end."""
    batch: Count = 16
    """Squares that one iteration sees, on all devices together."""
    accumulate: Count = 1
    """Into how many parts each device cuts its share of the batch, one after another: less memory, the same result."""
    lr: Positive = 1e-4
    """Learning rate of the generator."""
    discriminator_lr: Positive | None = None
    """Learning rate of the discriminator; left out, the generator's."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.99)
    """Adam's decays of the means of the gradients and of their squares."""
    weight_decay: Weight = 0.0
    """Decay of the weights, apart from the gradients (AdamW); 0 is plain Adam."""
    clip: Positive | None = None
    """Longest gradient, over all weights of a network, that is followed as it is; longer ones are cut to it."""
    warmup: Annotated[int, Field(ge=0)] = 0
    """Iterations over which the rates rise from 0."""
    schedule: Literal["constant", "cosine", "steps"] = "constant"
    """How the rates fall: not at all, along half a cosine to `lowest`, or by half at each of `steps`."""
    lowest: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Where the cosine ends, as a share of the rate."""
    steps: tuple[Count, ...] = ()
    """Iterations after which the rates are halved."""
    average: Average = Average()
    """The average of the weights."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """All draws follow from it: squares, degradations, first weights."""

    @model_validator(mode="after")
    def _steps_of_steps(self) -> Self:
        if (self.schedule == "steps") != bool(self.steps):
            raise ValueError('schedule = "steps" needs steps, and steps need it')
        return self


class Validation(Config):
    """How it is watched."""

    every: Count = 1000
    """After how many iterations; before the first and after the last one, too."""
    held_out: Annotated[int, Field(ge=0)] = 8
    """How many pictures of the sources are kept from training, if `pictures` is left out."""
    pictures: str | None = None
    """Pictures of high resolution that it is measured on, relative to this recipe; a folder or a file."""
    real: str | None = None
    """Pictures of low quality as they are met, with no better version: a folder or a file, relative to this recipe."""
    crop: Annotated[int, Field(ge=32)] | None = 512
    """Side of the square in the middle of the pictures that is looked at, in pixels of high resolution, for the time it
    takes."""
    metrics: tuple[str, ...] = ("psnr", "ssim", "niqe", "brisque")
    """Metrics of `aimanga metrics`; those that compare with the true picture are left out on real pictures."""
    best: str | None = None
    """The metric that decides which weights are `best.safetensors`; on real pictures where there are some and it can.
    Left out: l1, the mean absolute difference, in which 1 is from black to white."""
    grid: Annotated[int, Field(ge=1, le=64)] = 4
    """How many pictures of each kind are shown."""


class Saving(Config):
    """How it is kept from being lost."""

    every: Count = 1000
    """After how many iterations everything is saved; at an end of any kind, too."""
    keep: Annotated[int, Field(ge=2)] = 3
    """How many of these states are kept."""


class Logging(Config):
    """What is written down."""

    every: Count = 20
    """Over how many iterations the figures are averaged."""
    fed: Annotated[int, Field(ge=0)] = 5000
    """After how many iterations there is a sheet of what the network is fed; the first one is after the first."""
    tensorboard: bool = True
    """Write TensorBoard's files, too."""


class Compute(Config):
    """With what it is computed."""

    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Type of the convolutions; sums, weights and losses stay in fp32. auto: bf16 where it is faster."""
    channels_last: bool = True
    """Store channels together, which is faster nearly everywhere."""
    compile: bool = False
    """Compile the networks with torch.compile: faster after minutes, on GPUs."""
    deterministic: bool = True
    """The same bytes from the same recipe on one machine; on GPUs it costs a little time."""


class TrainRecipe(Config):
    """A training."""

    description: str = ""
    """What it is for, and where its numbers come from."""
    license: str | None = None
    """Licence of the resulting weights, as an SPDX identifier; left out, that of the weights it starts from."""
    model: Model = Model()
    """The generator."""
    discriminator: Discriminator = Discriminator()
    """Its opponent, where `losses.gan` has a weight."""
    data: Data
    """What it learns from."""
    losses: Losses
    """Towards what it learns."""
    train: Train
    """How long and how fast."""
    validation: Validation = Validation()
    """How it is watched."""
    saving: Saving = Saving()
    """How it is kept."""
    logging: Logging = Logging()
    """What is written down."""
    compute: Compute = Compute()
    """With what it is computed."""


@dataclass(frozen=True)
class RecipeFile:
    """A recipe, and where in its file everything stands.

    Attributes:
        path: The file.
        recipe: What it says, with all paths absolute.
        lines: Lines of its keys, or "--set" for those that were set on the command line.
    """

    path: Path
    recipe: TrainRecipe
    lines: Mapping[Key, int | str]

    def where(self, *key: str | int) -> str:
        """A key as people look for it: `recipe.toml: line 12, losses.gan.weight`."""
        return f"{self.path}: {place(key, self.lines)}"


def without_folders(recipe: TrainRecipe) -> TrainRecipe:
    """The recipe as it can be given away: of each path only the last name, which tells nothing of a user."""
    return _with_paths(recipe, lambda path, key: Path(path).name)


def recipe_path(recipe: str | Path) -> Path:
    """Where a recipe lies: one of `SHIPPED` by its name, or a file by its path."""
    return recipe_file("train", recipe, SHIPPED)


def load_recipe(recipe: str | Path, settings: Sequence[str] = (), data: Sequence[str | Path] = ()) -> RecipeFile:
    """Read a recipe.

    Args:
        recipe: The name of one of `SHIPPED`, or a TOML file.
        settings: What to set otherwise: `train.lr=2e-4`, values as in TOML; quotes around texts can be left out. Paths
            among them are relative to the current folder, not to the recipe.
        data: Sources to take instead of the recipe's, likewise.

    Raises:
        UsageError: The file is missing or no recipe, or a setting is none; the message names all that is wrong, and the
            lines.
    """
    path = recipe_path(recipe)
    text, content = read_toml(path)
    lines: dict[Key, int | str] = dict(key_lines(text))
    if data:
        settings = [*settings, f"data.sources={json.dumps([{'path': str(source)} for source in data])}"]
    for setting in settings:
        key, value = _setting(setting)
        _set(content, key, value, setting)
        for known in [known for known in lines if known[: len(key)] == key]:
            del lines[known]
        lines[key] = "--set"
    try:
        parsed = TrainRecipe.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{path}: {explain(error, lines)}") from error
    found = RecipeFile(path, parsed, lines)
    problems = _contradictions(found)
    if problems:
        raise UsageError("; ".join(problems))
    return replace(found, recipe=_with_absolute_paths(found))


def _contradictions(file: RecipeFile) -> list[str]:
    """What does not go together in a recipe whose every value is possible."""
    recipe = file.recipe
    active, crop, train = recipe.losses.active, recipe.data.crop, recipe.train
    found = []
    if train.batch % train.accumulate:
        found.append(
            f"{file.where('train', 'accumulate')}: {train.batch} does not divide into {train.accumulate} parts"
        )
    if "gan" in active and crop % 8:
        found.append(f"{file.where('data', 'crop')}: {crop}: the discriminator takes multiples of 8")
    if "ldl" in active and train.average.decay == 0:
        found.append(f"{file.where('losses', 'ldl')}: it compares with the average of the weights, whose decay is 0")
    return found


def _setting(setting: str) -> tuple[Key, object]:
    """Take `train.lr=2e-4` apart."""
    name, equals, text = setting.partition("=")
    key: Key = tuple(int(part) if part.isdigit() else part for part in name.strip().split("."))
    if not equals or "" in key:
        raise UsageError(f"--set {setting}: a setting is a key and its value, such as train.lr=2e-4")
    try:
        return key, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        try:
            return key, json.loads(text)
        except ValueError:
            return key, text.strip()


def _set(content: dict[str, object], key: Key, value: object, setting: str) -> None:
    """Set a value in nested tables, making those that are missing."""
    table: object = content
    try:
        for part in key[:-1]:
            # What is neither a table nor an array raises.
            table = table.setdefault(part, {}) if isinstance(table, dict) else table[part]  # type: ignore[index]
        table[key[-1]] = value  # type: ignore[index]
    except (TypeError, IndexError) as error:
        raise UsageError(f"--set {setting}: the recipe has no such place") from error


def _with_absolute_paths(file: RecipeFile) -> TrainRecipe:
    """The recipe with all paths as the user meant them, so that it can be kept elsewhere."""

    def absolute(path: str, key: Key) -> str:
        given = any(file.lines.get(key[:length]) == "--set" for length in range(1, len(key) + 1))
        # Not `resolve`: a link is what the user named.
        found = os.path.abspath((Path() if given else file.path.parent) / Path(path).expanduser())  # noqa: PTH100
        # What has no suffix and is not there may be the name of a model that is misspelt, rather than a path.
        return path if key == ("model", "start") and not Path(path).suffix and not Path(found).exists() else found

    return _with_paths(file.recipe, absolute)


def _with_paths(recipe: TrainRecipe, change: Callable[[str, Key], str]) -> TrainRecipe:
    """The recipe with all its paths changed; names of models, of weight files and of shipped recipes are none."""

    def changed(path: str | None, *key: str | int) -> str | None:
        return None if path is None else change(path, key)

    sources = []
    for number, source in enumerate(recipe.data.sources):
        paths = {name: changed(getattr(source, name), "data", "sources", number, name) for name in ("path", "lr")}
        sources.append(source.model_copy(update=paths))
    data: dict[str, object] = {"sources": tuple(sources)}
    if recipe.data.degradation not in DEGRADATIONS:
        data["degradation"] = changed(recipe.data.degradation, "data", "degradation")
    model: dict[str, object] = {}
    if recipe.model.starts_from not in (None, *(known.name for known in MODELS)):
        model["start"] = changed(recipe.model.start, "model", "start")
    watched = {name: changed(getattr(recipe.validation, name), "validation", name) for name in ("pictures", "real")}
    discriminator: dict[str, object] = {}
    if not weights.is_name(recipe.discriminator.start):
        discriminator["start"] = changed(recipe.discriminator.start, "discriminator", "start")
    return recipe.model_copy(
        update={
            "data": recipe.data.model_copy(update=data),
            "model": recipe.model.model_copy(update=model),
            "discriminator": recipe.discriminator.model_copy(update=discriminator),
            "validation": recipe.validation.model_copy(update=watched),
        }
    )
