"""A network made ready to run: on its device, in its precision, over pictures of any size."""

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aimanga.batch import Tick
from aimanga.errors import PictureError
from aimanga.models import LoadedModel
from aimanga.upscale.device import WEIGHT_TYPES, Precision
from aimanga.upscale.memory import freed_memory_kept
from aimanga.upscale.stages import NotLocalError, Program, compile_network
from aimanga.upscale.stream import band_height, stream
from aimanga.upscale.tiles import run_in_tiles


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

    @torch.inference_mode()
    def run(self, x: Tensor, tick: Tick = lambda share: None) -> Tensor:
        """Upscale by the network's own factor.

        A result that is not finite is computed again in float32, from the beginning.

        Args:
            x: 1 x C x H x W, float32, range [0, 1], on the CPU.
            tick: Told the share of the work that is done.

        Returns:
            1 x C x (H `network_scale`) x (W `network_scale`), float32, on the CPU, not clipped.

        Raises:
            PictureError: The result is not finite in float32 either.
        """
        height, width = x.shape[2:]
        factor = self.model.network_scale
        padding = (0, -width % self._size_multiple, 0, -height % self._size_multiple)
        padded = F.pad(x, padding, mode="replicate") if any(padding) else x
        with _exact_float32(self.device), freed_memory_kept():
            result = self._stream(padded, tick) if self._program else run_in_tiles(self._tile, padded, factor, tick)
        if not _is_finite(result):
            if self.precision == "fp32":
                raise PictureError(
                    f"{self.model.name} gives values that are not finite for this picture; nothing written"
                )
            return Engine(self.model, self.device, "fp32").run(x, tick)
        return result[:, :, : height * factor, : width * factor]

    def seconds_per_pixel(self) -> float:
        """Measure, on a small picture, how long one input pixel takes; the first call also warms up."""
        sample = torch.full((1, 3, 96, 96), 0.5)
        self.run(sample)
        start = time.perf_counter()
        self.run(sample)
        return (time.perf_counter() - start) / (96 * 96)

    def _stream(self, x: Tensor, tick: Tick) -> Tensor:
        assert self._program is not None
        height, width = x.shape[2:]
        factor = self.model.network_scale
        rows = torch.split(x, band_height(width, height, self.device), 2)
        result = torch.empty(1, self._program.result.channels, height * factor, width * factor)
        done = 0
        for made in stream(self._program, (band.to(self.device) for band in rows), height, width):
            result[:, :, done : done + made.shape[2]] = made
            done += made.shape[2]
            tick(done / result.shape[2])
        return result

    def _tile(self, x: Tensor) -> Tensor:
        result: Tensor = self._network(x.to(self.device).contiguous(memory_format=torch.channels_last))
        return result


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
