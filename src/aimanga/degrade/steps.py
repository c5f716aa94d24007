"""Steps: the operations on one picture with all parameters drawn. Manifests store them."""

import math
from typing import Annotated, Literal, TypeVar

import torch
from pydantic import Field
from torch import Generator

from aimanga.config import Config
from aimanga.degrade.recipe import Blur, Codec, Compression, Noise, Recipe, Resize, ResizeMode, Sharpen, Stage


class UsmStep(Config):
    """Sharpen by unsharp masking where there are edges, as Real-ESRGAN prepares its pictures."""

    op: Literal["usm"] = "usm"
    """What is done."""

    def __str__(self) -> str:
        return "sharpen the source"


class FilterStep(Config):
    """Blur or sharpen with a kernel."""

    op: Literal["filter"] = "filter"
    """What is done."""
    kernel: Literal["gaussian", "generalized_gaussian", "plateau", "sinc", "disk", "motion", "unsharp"]
    """Which function of `aimanga.degrade.kernels` makes it."""
    size: int
    """Side of the kernel."""
    parameters: dict[str, float]
    """The function's other arguments."""

    def __str__(self) -> str:
        shown = {name: f"{value:.2f}" for name, value in self.parameters.items() if name != "angle"}
        if shown.get("sigma_x") == shown.get("sigma_y") is not None:  # round: the angle is no matter
            shown = {"sigma": shown.pop("sigma_x"), **shown}
            del shown["sigma_y"]
        elif "angle" in self.parameters:
            shown["angle"] = f"{math.degrees(self.parameters['angle']):.0f}"
        name = self.kernel.replace("_", " ")
        return f"{name} {self.size}: {', '.join(f'{key} {value}' for key, value in shown.items())}"


class ResizeStep(Config):
    """Resize."""

    op: Literal["resize"] = "resize"
    """What is done."""
    height: int
    """Wanted height."""
    width: int
    """Wanted width."""
    mode: ResizeMode
    """How."""

    def __str__(self) -> str:
        return f"resize to {self.width} x {self.height}, {self.mode}"


class GaussianStep(Config):
    """Add Gaussian noise."""

    op: Literal["gaussian"] = "gaussian"
    """What is done."""
    sigma: float
    """Standard deviation in levels of 255."""
    gray: bool
    """The same for all channels."""

    def __str__(self) -> str:
        return f"gaussian noise {self.sigma:.1f}{', gray' if self.gray else ''}"


class PoissonStep(Config):
    """Add Poisson noise."""

    op: Literal["poisson"] = "poisson"
    """What is done."""
    scale: float
    """Strength."""
    gray: bool
    """The same for all channels."""

    def __str__(self) -> str:
        return f"poisson noise {self.scale:.2f}{', gray' if self.gray else ''}"


class CameraStep(Config):
    """Add the noise of a sensor."""

    op: Literal["camera"] = "camera"
    """What is done."""
    shot: float
    """Variance for each unit of linear light."""
    read: float
    """Standard deviation in the dark."""

    def __str__(self) -> str:
        return f"camera noise: shot {self.shot:.4f}, read {self.read:.4f}"


class CompressStep(Config):
    """Compress and decompress."""

    op: Codec
    """The codec."""
    quality: int
    """1 to 100."""
    subsampled: bool
    """Colour at half the resolution."""

    def __str__(self) -> str:
        return f"{self.op} {self.quality}, {'4:2:0' if self.subsampled else '4:4:4'}"


Step = Annotated[
    UsmStep | FilterStep | ResizeStep | GaussianStep | PoissonStep | CameraStep | CompressStep,
    Field(discriminator="op"),
]


class Sample(Config):
    """Everything that is needed, besides the HR picture, to make an LR picture again."""

    seed: int
    """Of the noise."""
    steps: tuple[Step, ...]
    """What is done, in order."""


Kind = TypeVar("Kind", bound=str)


class _Dice:
    """Random draws from one generator."""

    def __init__(self, seed: int) -> None:
        self.generator = Generator().manual_seed(seed)

    def uniform(self, low: float, high: float) -> float:
        share = float(torch.rand((), generator=self.generator, dtype=torch.float64))
        return low + (high - low) * share

    def logarithmic(self, low: float, high: float) -> float:
        return math.exp(self.uniform(math.log(low), math.log(high)))

    def whole(self, low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=self.generator))

    def chance(self, probability: float) -> bool:
        return self.uniform(0, 1) < probability

    def choice(self, shares: dict[Kind, float]) -> Kind:
        point = self.uniform(0, sum(shares.values()))
        for kind, share in shares.items():
            if point < share:
                return kind
            point -= share
        return max(shares, key=lambda kind: shares[kind])  # a rounding error above the last one

    def seed(self) -> int:
        return self.whole(0, 2**62)

    def child(self) -> "_Dice":
        """An independent generator for one part: its draws change nothing in the others."""
        return _Dice(self.seed())


def draw(recipe: Recipe, height: int, width: int, seed: int) -> Sample:
    """Draw the degradation of a picture.

    Each part of a stage has a generator of its own: with the noise of a recipe changed, the same seed draws the same
    blur as before.

    Args:
        recipe: The ranges and probabilities.
        height: Height of the HR picture, a multiple of the recipe's scale.
        width: Its width, likewise.
        seed: The same seed gives the same sample.

    Returns:
        The sample; it does not depend on the picture's content.

    Raises:
        ValueError: A side is no multiple of the scale.
    """
    if height % recipe.scale or width % recipe.scale:
        raise ValueError(f"{width} x {height} is no multiple of {recipe.scale}")
    dice = _Dice(seed)
    noise_seed, last = dice.seed(), dice.child()
    steps: list[Step] = [UsmStep()] if recipe.sharpen_source else []
    size = height, width
    for stage in recipe.stages:
        steps += _draw_stage(stage, size, dice)
        # Later factors are relative to the final size, as published.
        size = height // recipe.scale, width // recipe.scale
    final = recipe.final
    resizing: list[Step] = [
        ResizeStep(height=height // recipe.scale, width=width // recipe.scale, mode=last.child().choice(final.modes))
    ]
    sinc = _draw_sinc(final.sinc_size, last.child())
    if last.chance(final.sinc):
        resizing.append(sinc)
    compression = _draw_compression(final.compression, dice.child())
    steps += resizing + compression if last.chance(final.resize_first) else compression + resizing
    return Sample(seed=noise_seed, steps=tuple(steps))


def _draw_stage(stage: Stage, size: tuple[int, int], dice: _Dice) -> list[Step]:
    """The steps of one stage; `size` is the height and width without its resizing."""
    return [
        *_draw_blur(stage.blur, dice.child()),
        *_draw_resize(stage.resize, size, dice.child()),
        *_draw_noise(stage.noise, dice.child()),
        *_draw_sharpening(stage.sharpen, dice.child()),
        *_draw_compression(stage.compression, dice.child()),
    ]


def _draw_blur(blur: Blur | None, dice: _Dice) -> list[Step]:
    if blur is None or not dice.chance(blur.probability):
        return []
    if dice.chance(blur.sinc):
        return [_draw_sinc(blur.size, dice)]
    size = _odd(blur.size, dice)
    kind = dice.choice(blur.kinds)
    if kind == "disk":
        return [FilterStep(kernel="disk", size=size, parameters={"radius": dice.uniform(*blur.disk_radius)})]
    angle = dice.uniform(-math.pi, math.pi)
    if kind == "motion":
        length = dice.uniform(*blur.motion_length)
        return [FilterStep(kernel="motion", size=size, parameters={"length": length, "angle": angle})]
    sigma_x = dice.uniform(*blur.sigma)
    sigma_y = dice.uniform(*blur.sigma) if kind.endswith("anisotropic") else sigma_x
    parameters = {"sigma_x": sigma_x, "sigma_y": sigma_y, "angle": angle}
    if kind.startswith("generalized"):
        beta = _draw_beta(blur.generalized_beta, dice)
        return [FilterStep(kernel="generalized_gaussian", size=size, parameters={**parameters, "beta": beta})]
    if kind.startswith("plateau"):
        beta = _draw_beta(blur.plateau_beta, dice)
        return [FilterStep(kernel="plateau", size=size, parameters={**parameters, "beta": beta})]
    return [FilterStep(kernel="gaussian", size=size, parameters=parameters)]


def _draw_beta(limits: tuple[float, float], dice: _Dice) -> float:
    """Half of them up to 1, half above, as published: where 1 is the lower limit, half of them are 1."""
    low, high = limits
    if low <= 1 <= high:
        return dice.uniform(low, 1) if dice.chance(0.5) else dice.uniform(1, high)
    return dice.uniform(low, high)


def _draw_sinc(sizes: tuple[int, int], dice: _Dice) -> FilterStep:
    size = _odd(sizes, dice)
    # Small kernels cannot represent a low cutoff.
    cutoff = dice.uniform(math.pi / 3 if size < 13 else math.pi / 5, math.pi)
    return FilterStep(kernel="sinc", size=size, parameters={"cutoff": cutoff})


def _odd(sizes: tuple[int, int], dice: _Dice) -> int:
    return 2 * dice.whole(sizes[0] // 2, sizes[1] // 2) + 1


def _draw_resize(resize: Resize | None, size: tuple[int, int], dice: _Dice) -> list[Step]:
    if resize is None:
        return []
    direction = dice.choice(resize.directions)
    low, high = resize.factor
    factor = dice.uniform(*{"up": (1.0, high), "down": (low, 1.0), "keep": (1.0, 1.0)}[direction])
    height, width = (max(1, int(side * factor)) for side in size)
    return [ResizeStep(height=height, width=width, mode=dice.choice(resize.modes))]


def _draw_noise(noise: Noise | None, dice: _Dice) -> list[Step]:
    if noise is None or not dice.chance(noise.probability):
        return []
    kind = dice.choice(noise.kinds)
    if kind == "camera":
        return [CameraStep(shot=dice.logarithmic(*noise.camera_shot), read=dice.logarithmic(*noise.camera_read))]
    gray = dice.chance(noise.gray)
    if kind == "gaussian":
        return [GaussianStep(sigma=dice.uniform(*noise.gaussian_sigma), gray=gray)]
    return [PoissonStep(scale=dice.uniform(*noise.poisson_scale), gray=gray)]


def _draw_sharpening(sharpen: Sharpen | None, dice: _Dice) -> list[Step]:
    if sharpen is None or not dice.chance(sharpen.probability):
        return []
    sigma = dice.uniform(*sharpen.sigma)
    size = 2 * math.ceil(3 * sigma) + 1
    parameters = {"sigma": sigma, "amount": dice.uniform(*sharpen.amount)}
    return [FilterStep(kernel="unsharp", size=size, parameters=parameters)]


def _draw_compression(compression: Compression | None, dice: _Dice) -> list[Step]:
    if compression is None or not dice.chance(compression.probability):
        return []
    codec = dice.choice(compression.codecs)
    limits = getattr(compression, f"{codec}_quality")
    subsampled = codec == "webp" or dice.chance(compression.subsampled)
    return [CompressStep(op=codec, quality=dice.whole(*limits), subsampled=subsampled)]
