"""Set up Lightning Fabric: device, precision, processes."""

import os
from datetime import timedelta
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision, Precision
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.strategies.single_device import SingleDeviceStrategy
from lightning_fabric.strategies.strategy import Strategy
from torch.amp import GradScaler

from aimanga.device import choose_device, has_fast_bf16
from aimanga.errors import UsageError
from aimanga.train.recipe import TrainRecipe

# One process checks the data and validates; the others wait for it this long.
_TIMEOUT = timedelta(days=1)


def training_precision(recipe: TrainRecipe, device: torch.device) -> str:
    """The precision of a training on a device: `fp32`, `bf16` or `fp16`.

    `auto` is bf16 if the device is fast in it, else fp16 on CUDA and fp32 elsewhere.

    Raises:
        UsageError: The device cannot train in it.
    """
    wanted = recipe.compute.precision
    if wanted == "auto":
        return "bf16" if has_fast_bf16(device) else "fp16" if device.type == "cuda" else "fp32"
    if wanted == "fp16" and device.type != "cuda":
        raise UsageError(f"compute.precision fp16: only CUDA devices train in it, not {device}; use bf16 or fp32")
    return wanted


def training_device(name: str, rank: int | None = None) -> torch.device:
    """The device of a process; a CUDA device has its index, without which Fabric refuses it.

    Args:
        name: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        rank: Number of the process on its machine, whose GPU it takes; None if there is one process.

    Raises:
        UsageError: There is no such device.
    """
    device = choose_device(name)
    if device.type != "cuda":
        return device
    return choose_device(f"cuda:{device.index or 0 if rank is None else rank}")


def make_fabric(device_name: str, recipe: TrainRecipe) -> tuple[Fabric, str, GradScaler | None]:
    """Set up Fabric for one process, or for those of `torchrun`, which find each other.

    Args:
        device_name: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`; of several processes each takes the GPU of its rank.
        recipe: Its precision.

    Returns:
        Fabric, launched; the precision; and the gradient scaler of fp16, else None.

    Raises:
        UsageError: There is no such device, or it cannot train in this precision.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    device = training_device(device_name, int(os.environ.get("LOCAL_RANK", "0")) if processes > 1 else None)
    precision = training_precision(recipe, device)
    scaler = GradScaler(device.type) if precision == "fp16" else None
    plugin: Precision = Precision()
    if precision == "bf16":
        plugin = Autocast("bf16-mixed", device.type)
    elif precision == "fp16":
        plugin = Autocast("16-mixed", device.type, scaler)
    if processes == 1:
        strategy: Strategy = SingleDeviceStrategy(device, precision=plugin)
        # With its accelerator and environment named Fabric looks for neither another device nor MPI.
        fabric = Fabric(accelerator=device.type, devices=1, strategy=strategy, plugins=[LightningEnvironment()])
    else:
        # No buffers are broadcast: the only ones are the estimates of spectral norms, which every process computes
        # alike, and which a backward pass may still need when the next forward pass begins.
        strategy = DDPStrategy(precision=plugin, timeout=_TIMEOUT, broadcast_buffers=False)
        local = int(os.environ.get("LOCAL_WORLD_SIZE", str(processes)))
        fabric = Fabric(accelerator=device.type, strategy=strategy, devices=local, num_nodes=max(1, processes // local))
    fabric.launch()
    return fabric, precision, scaler


class Autocast(MixedPrecision):
    """Mixed precision that does not round the input: the first layer runs in float32."""

    def convert_input(self, data: Any) -> Any:  # noqa: ANN401  any nesting of tensors
        """Return the input of a network unchanged."""
        return data
