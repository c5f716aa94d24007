"""Run a network over a picture row by row, every value computed once.

Cutting a large picture into tiles computes their overlaps twice and still shows seams: RRDBNet sees 700 pixels far.
But each of its operations sees one row at most. So the rows of the picture come in bands, and each operation computes
the rows of its result for which its sources have arrived, one row fewer than the operation before it. Kept are only the
last few rows of each feature map, which the next band needs. The result is that of the whole picture at once, whatever
the size, and memory is in proportion to the width.
"""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import pairwise

import torch
from torch import Tensor, nn

from aimanga.upscale.rows import RowBuffer
from aimanga.upscale.stages import Program, Stage, Value, compile_network

BAND_PIXELS = 20_000
"""Pixels of a band: enough to occupy all cores in one convolution, few enough to stay in the last-level cache."""

GPU_BAND_PIXELS = 400_000
"""Pixels of a band on a GPU, which wants more work at a time and has no such cache to respect."""


def band_height(width: int, height: int, device: torch.device) -> int:
    """The number of rows to process at a time: a multiple of 4, or the whole picture where it is small."""
    pixels = BAND_PIXELS if device.type == "cpu" else GPU_BAND_PIXELS
    rows = max(4, pixels // width // 4 * 4)
    return min(rows, height)


def bytes_held(program: Program, height: int, width: int, band: int) -> int:
    """Estimate the peak memory of `stream` in bytes, without the network.

    That is, for each value, the rows that are computed and still needed by a reader; and the input and output of the
    largest operation.

    Args:
        program: The network.
        height: Height of the picture.
        width: Width of the picture.
        band: Rows to compute at a time.
    """
    behind = {program.source: Fraction(0)}  # by how many of its rows a value lags behind the picture
    needed: dict[Value, Fraction] = {}
    largest = 0
    for stage in program.stages:
        rate = Fraction(stage.up, stage.down)
        lag = max(behind[source] for source in stage.sources) + stage.reach
        behind[stage.result] = lag * rate
        for source in stage.sources:
            needed[source] = max(needed.get(source, Fraction(0)), lag + stage.reach)
        made = stage.result.channels * stage.result.dtype.itemsize
        read = sum(source.channels * (stage.dtype or source.dtype).itemsize for source in stage.sources)
        largest = max(largest, made + 2 * read)
    held = band * width * largest
    for value, lag in needed.items():
        rows = lag - behind[value] + 1
        rows += min(rows, band / value.rate) / 2  # of the uppermost piece up to a half is not needed any more
        rows = min(rows, value.rate * height)
        held += int(rows * value.rate * width) * value.channels * value.dtype.itemsize
    return held


def stream(
    network: nn.Module | Program,
    bands: Iterable[Tensor],
    height: int,
    width: int,
    *,
    band: int | None = None,
    tick: Callable[[float], None] = lambda share: None,
) -> Iterator[Tensor]:
    """Run a network over bands of rows.

    Args:
        network: A network for `compile_network`, or its program.
        bands: The picture from top to bottom: tensors 1 x C x h x `width`, h arbitrary, on the network's device.
        height: Height of the picture: the sum of the h.
        width: Width of the picture.
        band: Rows to compute at a time; None for the default of the device. When the device runs out of
            memory it is halved, and the work continues from there.
        tick: Called with the share of the work that is done.

    Yields:
        The result from top to bottom: tensors 1 x C' x h' x width', h' arbitrary.

    Raises:
        NotLocalError: The network cannot be streamed.
        ValueError: The bands do not add up to `height` rows of `width` pixels.
    """
    iterator = iter(bands)
    first = next(iterator)
    program = network if isinstance(network, Program) else compile_network(network, first.shape[1], first.dtype)
    run = _Run(program, height, width, band or band_height(width, height, first.device), first.device, tick)
    arrived = 0
    current: Tensor | None = first
    while current is not None:
        arrived += current.shape[2]
        if current.shape[3] != width or arrived > height:
            raise ValueError(f"got {arrived} rows of {current.shape[3]} pixels, expected {height} rows of {width}")
        run.append(current)
        yield from run.results()
        current = next(iterator, None)
    if arrived != height:
        raise ValueError(f"got {arrived} rows, expected {height}")


class _Rows:
    """The rows of a value that are computed and still needed."""

    def __init__(self, value: Value, height: int) -> None:
        rows = value.rate * height
        if rows.denominator != 1:
            raise ValueError(f"the height {height} is no multiple of {rows.denominator}")
        self.rate = value.rate
        self.total = int(rows)
        self.made = RowBuffer()
        self.readers: list[_Runner] = []

    def append(self, rows: Tensor) -> None:
        if self.readers:
            self.made.append(rows)
        else:
            self.made.skip(rows.shape[2])

    def forget(self) -> None:
        """Drop the rows that no reader needs any more."""
        self.made.forget(min(reader.needs for reader in self.readers))


class _Run:
    """One picture running through a program."""

    def __init__(
        self, program: Program, height: int, width: int, band: int, device: torch.device, tick: Callable[[float], None]
    ) -> None:
        values = dict.fromkeys([program.source, *(stage.result for stage in program.stages)])
        rows = {value: _Rows(value, height) for value in values}
        self.source = rows[program.source]
        self.scratch = _Scratch(device)
        self.runners = [_Runner(stage, rows, width, band, self.scratch) for stage in program.stages]
        if not program.stages:
            raise ValueError("a network without operations")
        self.tick = tick
        self.work = sum(runner.work * runner.result.total for runner in self.runners)
        self.done = 0.0

    def append(self, rows: Tensor) -> None:
        self.source.append(rows.contiguous(memory_format=torch.channels_last))

    def results(self) -> Iterator[Tensor]:
        """Run every stage that can, the last one first, until none can."""
        position = 0
        last = len(self.runners) - 1
        while position >= 0:
            for index in range(position, last + 1):
                if self.runners[index].ready():
                    made = self.advance(self.runners[index])
                    if index == last:
                        yield made
            # Deeper stages first: what has just been made is still in the cache, and is soon not needed any more.
            position = next((index for index in range(last, -1, -1) if self.runners[index].ready()), -1)

    def advance(self, runner: "_Runner") -> Tensor:
        """Run the next step of a stage; when the device is out of memory, in smaller steps."""
        while True:
            try:
                with torch.inference_mode():
                    made = runner.run()
            except torch.OutOfMemoryError:
                smaller = [other.halve() for other in self.runners]
                if not any(smaller):
                    raise
                self.scratch.memory.clear()
                if self.scratch.device.type != "cpu":
                    torch.accelerator.empty_cache()
            else:
                self.done += runner.work * made.shape[2]
                self.tick(self.done / self.work)
                return made


class _Runner:
    """A running stage: its progress and its next step."""

    def __init__(self, stage: Stage, rows: dict[Value, _Rows], width: int, band: int, scratch: "_Scratch") -> None:
        self.stage = stage
        self.sources = [rows[source] for source in stage.sources]
        self.result = rows[stage.result]
        self.width = int(stage.sources[0].rate * width)
        self.done = 0
        # At twice the resolution half as many rows, which are as many pixels.
        self.step = max(stage.up, int(band / stage.result.rate) // stage.up * stage.up, 1)
        self.scratch = scratch
        self.work = float(stage.work * self.result.rate)  # of a row, in proportion to that of other stages
        for source in dict.fromkeys(self.sources):
            source.readers.append(self)

    @property
    def grain(self) -> int:
        """What the height of a convolution's window is rounded up to a multiple of."""
        return max(1, self.step // 4)

    def halve(self) -> bool:
        """Halve the step; return whether that was possible."""
        before = self.step
        self.step = max(self.stage.up, self.step // 2 // self.stage.up * self.stage.up)
        return self.step < before

    @property
    def needs(self) -> int:
        """The first row of the sources that this stage still reads."""
        if self.done == self.result.total:
            return self.sources[0].total
        return self.done * self.stage.down // self.stage.up - self.stage.reach

    def available(self) -> int:
        """Rows of the result for which the sources are there."""
        end = min(source.made.end for source in self.sources)
        if end < self.sources[0].total:
            end = max(0, end - self.stage.reach)
        return end * self.stage.up // self.stage.down

    def ready(self) -> bool:
        available = self.available()
        # The first step is as short as it has to be, later ones are whole: then each stage lags behind its source
        # by no more than its reach, and almost all steps have one shape.
        return (
            available - self.done >= self.step
            or available > self.done == 0
            or (available > self.done and available == self.result.total)
        )

    def run(self) -> Tensor:
        stop = min(self.available(), self.done + self.step)
        made = self._convolve(stop) if self.stage.dtype is not None else self._apply(stop)
        self.done = stop
        self.result.append(made)
        for source in self.sources:
            source.forget()
        return made

    def _apply(self, stop: int) -> Tensor:
        start, stop = (row * self.stage.down // self.stage.up for row in (self.done, stop))
        sources = [list(source.made.pieces(start, stop)) for source in self.sources]
        if self.stage.into and any(len(pieces) > 1 for pieces in sources):
            return self._apply_in_pieces(start, stop)
        return self.stage.compute(*(pieces[0] if len(pieces) == 1 else torch.cat(pieces, 2) for pieces in sources))

    def _apply_in_pieces(self, start: int, stop: int) -> Tensor:
        """Apply an operation to sources that lie in different pieces, without concatenating them first."""
        value = self.stage.result
        made = torch.empty(
            (1, value.channels, stop - start, self.width),
            dtype=value.dtype,
            device=self.scratch.device,
            memory_format=torch.channels_last,
        )
        cuts = {start, stop}
        for source in self.sources:
            cuts.update(first for first in source.made.starts() if start < first < stop)
        for low, high in pairwise(sorted(cuts)):
            pieces = [next(source.made.pieces(low, high)) for source in self.sources]
            self.stage.compute(*pieces, out=made[:, :, low - start : high - start])
        return made

    def _convolve(self, stop: int) -> Tensor:
        reach = self.stage.reach
        count = stop - self.done
        whole = count == self.result.total
        # Odd heights occur at the upper and the lower end only. They are rounded up, with rows outside of the picture:
        # each new height costs the library a new plan for the convolution, which takes longer than the few rows.
        extra = 0 if whole else -count % self.grain
        above = extra if self.done == 0 else 0
        window = self._window(self.done - reach - above, stop + reach + extra - above)
        return self.stage.compute(window)[:, :, above : above + count]

    def _window(self, start: int, stop: int) -> Tensor:
        """The sources' rows side by side in the convolution's type, with zeros outside of the picture."""
        channels = sum(source.channels for source in self.stage.sources)
        assert self.stage.dtype is not None
        window = self.scratch.take(channels, stop - start, self.width, self.stage.dtype)
        low, high = max(start, 0), min(stop, self.sources[0].total)
        window[:, :, : low - start].zero_()
        window[:, :, high - start :].zero_()
        channel = 0
        for source, value in zip(self.sources, self.stage.sources, strict=True):
            row = low - start
            for piece in source.made.pieces(low, high):
                window[:, channel : channel + value.channels, row : row + piece.shape[2]].copy_(piece)
                row += piece.shape[2]
            channel += value.channels
        return window


class _Scratch:
    """One buffer for the windows of all convolutions, so that it stays in the cache."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.memory: dict[torch.dtype, Tensor] = {}

    def take(self, channels: int, height: int, width: int, dtype: torch.dtype) -> Tensor:
        """A tensor 1 x channels x height x width, channels last, with arbitrary content."""
        size = channels * height * width
        if dtype not in self.memory or self.memory[dtype].numel() < size:
            self.memory[dtype] = torch.empty(size, dtype=dtype, device=self.device)
        return self.memory[dtype][:size].view(1, height, width, channels).permute(0, 3, 1, 2)
