"""Where a training runs: Lightning Fabric, set up for it."""

import os
from datetime import timedelta
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision, Precision
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.strategies.single_device import SingleDeviceStrategy
from lightning_fabric.strategies.strategy import Strategy
from torch.amp import GradScaler

from aimanga.device import choose_device, has_fast_bf16
from aimanga.errors import UsageError
from aimanga.train.recipe import TrainRecipe

# One process checks the data and validates, and the others wait for it as long as that takes.
_PATIENCE = timedelta(days=1)


def choose_precision(recipe: TrainRecipe, device: torch.device) -> str:
    """The precision of a recipe on a device: `fp32`, `bf16` or `fp16`.

    `auto` is bf16 where it is faster, else fp16 on CUDA and fp32 elsewhere.

    Raises:
        UsageError: The device cannot train in it.
    """
    wanted = recipe.compute.precision
    if wanted == "auto":
        return "bf16" if has_fast_bf16(device) else "fp16" if device.type == "cuda" else "fp32"
    if wanted == "fp16" and device.type != "cuda":
        raise UsageError(f"compute.precision fp16: only CUDA devices train in it, not {device}; use bf16 or fp32")
    return wanted


def make_fabric(device_name: str, recipe: TrainRecipe) -> tuple[Fabric, str, GradScaler | None]:
    """Set up Fabric: for one process, or for those that `torchrun` has started, which find each other.

    Args:
        device_name: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`; with several processes each takes the device of its rank.
        recipe: What says the precision.

    Returns:
        Fabric, launched; the precision; and what scales the gradients of float16, else None.

    Raises:
        UsageError: There is no such device, or it cannot train in this precision.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    device = choose_device(device_name)
    if processes > 1 and device.type == "cuda":
        device = choose_device(f"cuda:{local_rank}")
    precision = choose_precision(recipe, device)
    scaler = GradScaler(device.type) if precision == "fp16" else None
    plugin: Precision = Precision()
    if precision == "bf16":
        plugin = Autocast("bf16-mixed", device.type)
    elif precision == "fp16":
        plugin = Autocast("16-mixed", device.type, scaler)
    if processes == 1:
        strategy: Strategy = SingleDeviceStrategy(device, precision=plugin)
        fabric = Fabric(strategy=strategy)
    else:
        # Nothing but parameters differs between the processes, so no buffers are sent: the networks have only the
        # estimates of spectral norms, which all compute alike, and which a pass still needs while another begins.
        strategy = DDPStrategy(precision=plugin, timeout=_PATIENCE, broadcast_buffers=False)
        local = int(os.environ.get("LOCAL_WORLD_SIZE", str(processes)))
        fabric = Fabric(accelerator=device.type, strategy=strategy, devices=local, num_nodes=max(1, processes // local))
    fabric.launch()
    return fabric, precision, scaler


class Autocast(MixedPrecision):
    """Mixed precision in which pictures come in as they are: the first layer needs all their digits."""

    def convert_input(self, data: Any) -> Any:  # noqa: ANN401  any nesting of tensors
        """Leave what a network gets as it is."""
        return data
