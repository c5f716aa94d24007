"""Where networks and metrics run."""

import torch

from aimanga.errors import UsageError


def choose_device(name: str) -> torch.device:
    """The device for a name: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.

    `auto` is the first CUDA device, else Apple's GPU, else the CPU.

    Raises:
        UsageError: There is no such device here.
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
    """The device, for people."""
    if device.type == "cpu":
        return f"CPU, {torch.get_num_threads()} threads"
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    return "Apple GPU (mps)"
