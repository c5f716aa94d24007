"""Run a network on a device, in a precision, over pictures of any size."""

import copy
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aimanga.batch import Tick
from aimanga.errors import PictureError
from aimanga.memory import freed_memory_kept
from aimanga.models import LoadedModel
from aimanga.upscale.precision import WEIGHT_TYPES, Precision
from aimanga.upscale.stages import NotLocalError, Program, compile_network
from aimanga.upscale.stream import band_height, bytes_held, stream
from aimanga.upscale.tiles import HALO, TILE, run_in_tiles

# Memory of RRDBNet, the largest network, for each pixel of a tile, measured.
_BYTES_PER_TILE_PIXEL = 14_000


class NotFiniteError(PictureError):
    """The result of a network holds infinities or NaN."""


class Engine:
    """Runs a model over tensors.

    A network of local operations is streamed by rows: every value is computed once, and the result is that of the
    whole picture. Other networks run in overlapping tiles.

    Args:
        model: The model; its network is not changed.
        device: Where to run.
        precision: The type of the convolutions. The first and the last one stay in float32 in any case: they
            touch the picture itself, whose levels bfloat16 cannot tell apart, and cost next to nothing.
    """

    def __init__(self, model: LoadedModel, device: torch.device, precision: Precision) -> None:
        self.model = model
        self.device = device
        self.precision = precision
        self._network = _prepare(model.network, device, precision)
        self._size_multiple = int(getattr(model.network, "size_multiple", 1))
        self._program: Program | None = None
        with suppress(NotLocalError):
            self._program = compile_network(self._network, 3)

    @property
    def streams(self) -> bool:
        """Whether the network is streamed; otherwise it runs in tiles."""
        return self._program is not None

    def in_float32(self) -> "Engine":
        """The same model on the same device, in float32."""
        return Engine(self.model, self.device, "fp32")

    def band_height(self, width: int, height: int) -> int:
        """The number of rows that are computed at a time."""
        return band_height(width, height, self.device)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inference mode, float32 without TF32, and freed memory kept; `stream` runs within it."""
        with torch.inference_mode(), _exact_float32(self.device), freed_memory_kept():
            yield

    def stream(
        self, bands: Iterable[Tensor], height: int, width: int, tick: Tick = lambda share: None
    ) -> Iterator[Tensor]:
        """Upscale rows by the network's own factor; to be called within `running`.

        Args:
            bands: The picture from top to bottom: 1 x 3 x h x `width`, float32, range [0, 1].
            height: Its height.
            width: Its width.
            tick: Called with the share of the work that is done.

        Yields:
            The result from top to bottom: 1 x C x h' x (`width` `network_scale`), float32, not clipped, on the
            engine's device.

        Raises:
            NotFiniteError: The result is not finite.
        """
        padding = (-width % self._size_multiple, -height % self._size_multiple)
        padded = _padded((band.to(self.device) for band in bands), height, padding)
        size = height + padding[1], width + padding[0]
        factor = self.model.network_scale
        missing = height * factor
        for made in self._run(padded, size, tick):
            if not _is_finite(made):
                raise NotFiniteError(
                    f"{self.model.name}: the result for this picture is not finite; nothing was written"
                )
            if missing > 0:
                yield made[:, :, :missing, : width * factor]
            missing -= made.shape[2]

    def run(self, x: Tensor) -> Tensor:
        """Upscale a whole picture by the network's own factor.

        A result that is not finite is computed again in float32, from the beginning.

        Args:
            x: 1 x 3 x H x W, float32, range [0, 1].

        Returns:
            1 x C x (H `network_scale`) x (W `network_scale`), float32, on the CPU, not clipped.

        Raises:
            NotFiniteError: The result is not finite in float32 either.
        """
        height, width = x.shape[2:]
        rows = torch.split(x, self.band_height(width, height), 2)
        result: Tensor | None = None
        done = 0
        try:
            with self.running():
                for made in self.stream(rows, height, width):
                    if result is None:
                        factor = self.model.network_scale
                        result = torch.empty(1, made.shape[1], height * factor, width * factor)
                    result[:, :, done : done + made.shape[2]] = made
                    done += made.shape[2]
        except NotFiniteError:
            if self.precision == "fp32":
                raise
            return self.in_float32().run(x)
        assert result is not None  # a picture has at least one row
        return result

    def memory_needed(self, width: int, height: int) -> int:
        """About how many bytes `stream` takes for a picture, at its peak, besides the model."""
        if self._program is None:
            whole = 4 * 3 * width * height * (1 + self.model.network_scale**2)
            return whole + _BYTES_PER_TILE_PIXEL * min(width * height, (TILE + 2 * HALO) ** 2)
        multiple = self._size_multiple
        height, width = (-(-side // multiple) * multiple for side in (height, width))
        return bytes_held(self._program, height, width, self.band_height(width, height))

    def seconds_per_pixel(self) -> float:
        """Measure on a small picture how long one input pixel takes, after a warm-up."""
        sample = torch.full((1, 3, 96, 96), 0.5)
        self.run(sample)
        start = time.perf_counter()
        self.run(sample)
        return (time.perf_counter() - start) / (96 * 96)

    def _run(self, bands: Iterator[Tensor], size: tuple[int, int], tick: Tick) -> Iterator[Tensor]:
        if self._program is not None:
            return stream(self._program, bands, *size, tick=tick)
        return iter([run_in_tiles(self._tile, torch.cat(list(bands), 2), self.model.network_scale, tick)])

    def _tile(self, x: Tensor) -> Tensor:
        result: Tensor = self._network(x.to(self.device).contiguous(memory_format=torch.channels_last))
        return result


def _padded(bands: Iterator[Tensor], height: int, padding: tuple[int, int]) -> Iterator[Tensor]:
    """Repeat the last column and the last row as often as `padding` says."""
    right, below = padding
    done = 0
    for band in bands:
        done += band.shape[2]
        around = (0, right, 0, below if done == height else 0)
        yield F.pad(band, around, mode="replicate") if any(around) else band


@contextmanager
def _exact_float32(device: torch.device) -> Iterator[None]:
    """Keep CUDA from computing float32 convolutions in TensorFloat-32, which has 10 bits of mantissa."""
    if device.type != "cuda":
        yield
        return
    cudnn = torch.backends.cudnn
    with cudnn.flags(cudnn.enabled, cudnn.benchmark, cudnn.benchmark_limit, cudnn.deterministic, allow_tf32=False):
        yield


def _prepare(network: nn.Module, device: torch.device, precision: Precision) -> nn.Module:
    prepared = copy.deepcopy(network).to(device, WEIGHT_TYPES[precision])
    prepared.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    convolutions = [module for module in prepared.modules() if isinstance(module, nn.Conv2d)]
    for convolution in (convolutions[0], convolutions[-1]):
        convolution.float()
    return prepared


def _is_finite(tensor: Tensor) -> bool:
    # The sum of finite values is finite unless it overflows, which values near [0, 1] cannot.
    return bool(torch.isfinite(tensor.sum()))
