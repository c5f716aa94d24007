"""The precision of a network: fp32, bf16 or fp16."""

from typing import Literal

import torch

from aimanga.device import device_in_words, has_fast_bf16
from aimanga.errors import UsageError

Precision = Literal["fp32", "bf16", "fp16"]
"""fp32: everything in float32. bf16, fp16: convolutions in that type, residual sums in float32."""

WEIGHT_TYPES: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


def choose_precision(name: str, device: torch.device) -> Precision:
    """The precision for a name: `auto`, `fp32`, `bf16`, `fp16`.

    `auto` is the fastest one that stays within 50 dB of float32: bf16 on CPUs that compute it faster than float32, fp16
    on CUDA, where its three more bits of mantissa cost nothing, and fp32 elsewhere.

    Raises:
        UsageError: The precision is unknown, or not supported on this device.
    """
    if name == "auto":
        if device.type == "cuda":
            return "fp16"
        return "bf16" if device.type == "cpu" and has_fast_bf16(device) else "fp32"
    if name not in WEIGHT_TYPES:
        raise UsageError(f"--precision {name}: precisions are auto, {', '.join(WEIGHT_TYPES)}")
    if name == "fp16" and device.type == "cpu":
        raise UsageError("--precision fp16: CPUs compute it slower than fp32; use bf16 or fp32")
    return name


def describe(device: torch.device, precision: Precision) -> str:
    """One line for people: the device and how it computes."""
    how = "fp32" if precision == "fp32" else f"{precision} convolutions, fp32 sums"
    return f"{device_in_words(device)}, {how}"
