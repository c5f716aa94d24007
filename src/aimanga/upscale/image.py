"""Upscale one picture: gray, deep or transparent, by any factor, as strongly as wanted."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aimanga.batch import Tick
from aimanga.device import choose_device
from aimanga.images import Canvas, Header, Picture, RowSource, Samples
from aimanga.models import load_model
from aimanga.options import with_options
from aimanga.tensors import from_array, to_array
from aimanga.upscale.alpha import bleed_rows, bound_by_neighbours
from aimanga.upscale.engine import Engine, NotFiniteError
from aimanga.upscale.options import PictureOptions
from aimanga.upscale.precision import choose_precision
from aimanga.upscale.rows import lockstep, resize_rows


@with_options
def upscale(picture: Picture, options: PictureOptions = PictureOptions()) -> Picture:
    """Upscale a picture: `upscale(picture, scale=2, strength=0.8)`.

    Gray stays gray (a gray RGB picture too), 16 bits stay 16 bits, alpha is upscaled with the picture; colour
    profile and metadata go along. The model stays loaded for the next call.

    Args:
        picture: The picture.
        options: Model, scale, strength, device and precision; each can also be given as a keyword.

    Returns:
        The upscaled picture: `round(height * scale)` x `round(width * scale)`, at least one pixel a side.

    Raises:
        UsageError: An option is out of its range, or the device does not exist.
        ModelError: The model cannot be loaded.
        PictureError: The network's result is not finite.
    """
    engine = load_engine(options.model, options.device, options.precision)
    size = output_size(picture.width, picture.height, options.scale or engine.model.scale)
    canvases: list[Canvas] = []

    def open_canvas(header: Header) -> AbstractContextManager[Callable[[Samples], None]]:
        canvases.append(Canvas(header))
        return nullcontext(canvases[-1].write)

    upscale_rows(engine, picture, size, open_canvas, options.strength)
    return canvases[-1].picture()


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


Sink = Callable[[Header], AbstractContextManager[Callable[[Samples], None]]]
"""Opens an output for the rows of a picture, like `aimanga.images.writing`: takes the header, yields a function that
accepts rows from top to bottom. It is called again when the picture is computed again."""


def upscale_rows(
    engine: Engine,
    source: RowSource,
    size: tuple[int, int],
    sink: Sink,
    strength: float = 1.0,
    tick: Tick = lambda share: None,
) -> None:
    """Upscale a picture row by row to a given size; neither it nor the result is ever whole in memory.

    A result that is not finite is computed again in float32.

    Args:
        engine: The engine.
        source: The picture. It is read several times: once to see whether it is undamaged, gray and transparent, then
            for the work.
        size: Width and height of the result, in pixels.
        sink: Where the result goes, with the colour profile and the metadata of the source.
        strength: As for `upscale`.
        tick: Called with the share of the work that is done, 0 to 1.

    Raises:
        PictureError: The picture is damaged, or the network's result is not finite.
    """
    header = replace(source.header, width=size[0], height=size[1])
    with engine.running():
        work = _Work(engine, source, size, strength)
        try:
            with sink(header) as write:
                for rows in work.result(tick):
                    write(rows)
        except NotFiniteError:
            if engine.precision == "fp32":
                raise
            upscale_rows(engine.in_float32(), source, size, sink, strength, tick)
        else:
            tick(1.0)


class _Work:
    """The streams of rows that lead from one picture to its result."""

    def __init__(self, engine: Engine, source: RowSource, size: tuple[int, int], strength: float) -> None:
        self.engine = engine
        self.source = source
        self.size = size
        self.strength = strength
        self.header = source.header
        self.gray, self.lowest_alpha, self.highest_alpha = self._survey()

    def result(self, tick: Tick) -> Iterator[Samples]:
        """The rows of the result, with alpha."""
        kind = self.header.dtype
        if not self.header.alpha:
            for colours in self._upscaled(self._colours, tick):
                yield self._samples(colours)
        elif self.lowest_alpha == self.highest_alpha:
            for colours in self._upscaled(self._colours, tick):
                samples = self._samples(colours)
                yield np.dstack((samples, np.full(samples.shape[:2], self.lowest_alpha, kind)))
        else:
            shares = [0.0, 0.0]

            def tick_for(part: int) -> Tick:
                def tick_part(share: float) -> None:
                    shares[part] = share
                    tick(sum(shares) / 2)

                return tick_part

            visible = self._upscaled(self._visible_colours, tick_for(0))
            for colours, alpha in lockstep(visible, self._upscaled_alpha(tick_for(1))):
                yield np.dstack((self._samples(colours), to_array(alpha, kind)))

    def _survey(self) -> tuple[bool, int, int]:
        """Whether the colours are gray, and the lowest and highest alpha; reads every row, so damage is found first."""
        gray, lowest, highest = True, 65535, 0
        for rows in self._bands():
            red, others = rows[:, :, :1], rows[:, :, 1 : self.header.colours]
            gray = gray and bool((others == red).all())
            if self.header.alpha:
                lowest, highest = min(lowest, int(rows[:, :, -1].min())), max(highest, int(rows[:, :, -1].max()))
        return gray, lowest, highest

    def _bands(self) -> Iterator[Samples]:
        return self.source.bands(self.engine.band_height(self.header.width, self.header.height))

    def _tensors(self, channels: slice) -> Iterator[Tensor]:
        return (from_array(rows[:, :, channels]).to(self.engine.device) for rows in self._bands())

    def _colours(self) -> Iterator[Tensor]:
        """The colours, those of a gray picture as one channel."""
        return self._tensors(slice(1 if self.gray else 3))

    def _visible_colours(self) -> Iterator[Tensor]:
        channels = [0, -1] if self.gray else [0, 1, 2, -1]
        return bleed_rows((rows[:, channels] for rows in self._tensors(slice(None))), self.header.height)

    def _alpha(self) -> Iterator[Tensor]:
        return self._tensors(slice(-1, None))

    def _upscaled_alpha(self, tick: Tick) -> Iterator[Tensor]:
        size = (self.header.width, self.header.height)
        upscaled = self._upscaled(self._alpha, tick)
        if self.size[0] >= size[0] and self.size[1] >= size[1]:
            return bound_by_neighbours(upscaled, self._alpha(), size, self.size)
        return upscaled

    def _upscaled(self, channels: Callable[[], Iterator[Tensor]], tick: Tick) -> Iterator[Tensor]:
        """Upscale one channel or three; resampling can leave the range [0, 1] a little.

        The blend is linear and pixel by pixel. So each value lies between that of the bicubic upscale and that of
        the network: no halo can appear that neither has; the details that the network adds fade evenly; and the
        low frequencies, in which both agree but for a small drift of the network, stay, and come closer to the
        source's the lower the strength is.
        """
        height = self.header.height
        if self.strength == 0:
            return resize_rows(channels(), height, self.size)
        enlarged = self._enlarged(channels(), tick)
        result = resize_rows(enlarged, height * self.engine.model.network_scale, self.size)
        if self.strength == 1:
            return result
        bicubic = resize_rows(channels(), height, self.size)
        return (torch.lerp(a.clamp(0, 1), b, self.strength) for a, b in lockstep(bicubic, result))

    def _enlarged(self, rows: Iterator[Tensor], tick: Tick) -> Iterator[Tensor]:
        """Run the network on one channel or three; the same number comes out, clipped to [0, 1]."""
        channels: list[int] = []

        def as_rgb() -> Iterator[Tensor]:
            for band in rows:
                channels[:] = [band.shape[1]]
                yield band.expand(-1, 3, -1, -1)

        for made in self.engine.stream(as_rgb(), self.header.height, self.header.width, tick):
            clipped = made.clamp(0, 1)
            yield clipped.mean(1, keepdim=True) if channels == [1] else clipped

    def _samples(self, colours: Tensor) -> Samples:
        return to_array(colours.expand(-1, self.header.colours, -1, -1), self.header.dtype)
