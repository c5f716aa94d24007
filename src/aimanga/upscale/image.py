"""Upscale one picture: gray, deep or transparent, by any factor, as strongly as wanted."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aimanga.batch import Tick
from aimanga.errors import UsageError
from aimanga.images import Picture
from aimanga.models import DEFAULT_MODEL, load_model
from aimanga.tensors import from_array, resize, to_array
from aimanga.upscale.alpha import bleed, bound_by_neighbours
from aimanga.upscale.device import choose_device, choose_precision
from aimanga.upscale.engine import Engine


def upscale(
    picture: Picture,
    model: str | Path = DEFAULT_MODEL,
    scale: float | None = None,
    strength: float = 1.0,
    device: str = "auto",
    precision: str = "auto",
) -> Picture:
    """Upscale a picture.

    Gray stays gray (a gray RGB picture too), 16 bits stay 16 bits, alpha is upscaled with the picture; colour
    profile and metadata go along. The model stays loaded for the next call.

    Args:
        picture: The picture.
        model: A name of the catalogue (see `aimanga.MODELS`), or the path of a weight file.
        scale: Output size over input size, any positive number; None for the factor the model is made for.
        strength: 0 gives a bicubic upscale, 1 what the network makes, values between blend the two.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        precision: `auto`, `fp32`, `bf16` or `fp16`; see `choose_precision`.

    Returns:
        The upscaled picture: `round(height * scale)` x `round(width * scale)`, at least one pixel a side.

    Raises:
        UsageError: An argument is out of its range, or the device is not there.
        ModelError: The model cannot be loaded.
        PictureError: The network gives values that are not finite.
    """
    check_options(scale=scale, strength=strength)
    engine = load_engine(model, device, precision)
    size = output_size(picture.width, picture.height, scale or engine.model.scale)
    return upscale_with(engine, picture, size, strength)


def check_options(*, scale: float | None, strength: float) -> None:
    """Raise `UsageError` where an option is out of its range."""
    if scale is not None and not 0 < scale <= 64:
        raise UsageError(f"--scale {scale}: the scale is above 0 and at most 64")
    if not 0 <= strength <= 1:
        raise UsageError(f"--strength {strength}: the strength is between 0 and 1")


def output_size(width: int, height: int, scale: float) -> tuple[int, int]:
    """Width and height of a result, rounded, at least 1."""
    return max(1, round(width * scale)), max(1, round(height * scale))


def load_engine(model: str | Path, device: str = "auto", precision: str = "auto") -> Engine:
    """Load a model and make it ready to run; the last one is kept, until its file changes.

    Raises:
        UsageError: The device or the precision is not there.
        ModelError: The model cannot be loaded.
    """
    path = Path(model)
    return _load_engine(str(model), device, precision, path.stat().st_mtime if path.is_file() else 0.0)


@lru_cache(maxsize=1)
def _load_engine(model: str, device: str, precision: str, modified: float) -> Engine:
    place = choose_device(device)
    return Engine(load_model(model), place, choose_precision(precision, place))


@torch.inference_mode()
def upscale_with(
    engine: Engine,
    picture: Picture,
    size: tuple[int, int],
    strength: float = 1.0,
    tick: Tick = lambda share: None,
) -> Picture:
    """Upscale a picture to a given size with an engine that is ready.

    Args:
        engine: The engine.
        picture: The picture.
        size: Width and height of the result, in pixels.
        strength: As for `upscale`.
        tick: Told the share of the work that is done, 0 to 1.

    Returns:
        The upscaled picture, with the colour profile and the metadata of the source.

    Raises:
        PictureError: The network gives values that are not finite.
    """
    kind = picture.pixels.dtype
    alpha = picture.alpha
    if alpha is None or alpha.min() == alpha.max():
        pixels = _upscale_pixels(engine, from_array(picture.pixels), size, strength, tick)
        new_alpha = None if alpha is None else np.full((size[1], size[0]), alpha.flat[0], kind)
    else:
        alpha_tensor = from_array(alpha[:, :, None])
        colours = bleed(from_array(picture.pixels), alpha_tensor)
        pixels = _upscale_pixels(engine, colours, size, strength, lambda share: tick(share / 2))
        upscaled = _upscale_pixels(engine, alpha_tensor, size, strength, lambda share: tick((1 + share) / 2))
        if size[0] >= picture.width and size[1] >= picture.height:
            upscaled = bound_by_neighbours(upscaled, alpha_tensor)
        new_alpha = to_array(upscaled, kind)[:, :, 0]
    return Picture(to_array(pixels, kind), new_alpha, picture.icc, picture.metadata)


def _upscale_pixels(engine: Engine, x: Tensor, size: tuple[int, int], strength: float, tick: Tick) -> Tensor:
    """Upscale 1 x C x H x W, C = 1 or 3, range [0, 1]; resampling can leave that range a little.

    The blend is linear and pixel by pixel. So each value lies between that of the bicubic upscale and that of
    the network: no halo can appear that neither has; the details that the network adds fade evenly; and the
    low frequencies, in which both agree but for a small drift of the network, stay, and come closer to the
    source's the lower the strength is.
    """
    width, height = size
    if strength == 0:
        tick(1.0)
        return resize(x, height, width)
    rgb = x if x.shape[1] == 3 else x.expand(-1, 3, -1, -1)
    gray = x.shape[1] == 1 or bool((x[:, 0] == x[:, 1]).all() and (x[:, 1] == x[:, 2]).all())
    result = engine.run(rgb, tick).clamp_(0, 1)
    if gray:
        result = result.mean(1, keepdim=True)
    result = resize(result, height, width)
    if strength < 1:
        bicubic = resize(x[:, : result.shape[1]], height, width).clamp_(0, 1)
        result = torch.lerp(bicubic, result, strength)
    return result.expand(-1, x.shape[1], -1, -1)


def memory_needed(width: int, height: int, samples: int, size: tuple[int, int], factor: int) -> int:
    """About how many bytes `upscale_with` takes for a picture, at its peak.

    Args:
        width: Of the source.
        height: Of the source.
        samples: Samples a pixel, with alpha.
        size: Width and height of the result.
        factor: The network's factor.
    """
    enlarged = width * height * factor**2
    result = size[0] * size[1]
    floats = 3 * enlarged + (0 if result == enlarged else 2 * 3 * result) + 3 * result
    network = min(width * height * _BYTES_PER_PIXEL, _BYTES_PER_BAND + width * _BYTES_PER_COLUMN)
    return 4 * floats + 2 * samples * result + network


# What RRDBNet holds, measured: of a small picture that is one band every pixel; of others a band, and for each column
# the rows that its layers wait for. Other networks hold less.
_BYTES_PER_PIXEL = 14_000
_BYTES_PER_BAND = 200 * 10**6
_BYTES_PER_COLUMN = 450_000
