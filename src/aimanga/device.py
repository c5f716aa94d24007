"""The device that networks and metrics run on."""

import torch

from aimanga.errors import UsageError
from aimanga.text import counted


def choose_device(name: str) -> torch.device:
    """Get a device by its name: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.

    `auto` is the first CUDA device, else Apple's GPU, else the CPU.

    Raises:
        UsageError: There is no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"--device {name}: devices are auto, cpu, cuda, cuda:N and mps") from error
    there = {
        "cpu": device.index in (None, 0),
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device.type, False):
        raise UsageError(f"--device {name}: this machine, or this build of PyTorch, has no such device")
    return device


def device_in_words(device: torch.device) -> str:
    """The device as text: `CPU, 8 threads`, `NVIDIA H100 (cuda:0)`."""
    if device.type == "cpu":
        return f"CPU, {counted(torch.get_num_threads(), 'thread')}"
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    return "Apple GPU (mps)"


def has_fast_bf16(device: torch.device) -> bool:
    """Whether convolutions are faster in bfloat16 than in float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    if not hasattr(torch.cpu, "get_capabilities"):
        return False  # an older PyTorch, which cannot say
    capabilities = torch.cpu.get_capabilities()
    if capabilities.get("amx_bf16"):
        return True
    # Intel's processors since 2023 have AVX512-BF16 besides AMX; if a virtual machine hides AMX, bfloat16 runs at half
    # the speed of float32 (benchmarks/train.py). AVX512-FP16 identifies them. Earlier ones and AMD's, which have
    # AVX512-BF16 only, are twice as fast in bfloat16.
    return bool(capabilities.get("avx512_bf16")) and not capabilities.get("avx512_fp16")
