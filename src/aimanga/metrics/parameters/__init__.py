"""Published parameters that are shipped; their licence notices are in `LICENSES.md`."""

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from aimanga.tensor_files import read_tensors


@lru_cache(maxsize=16)
def load_parameters(name: str, device: torch.device) -> dict[str, Tensor]:
    """Load a file of this folder.

    Args:
        name: The file's name without `.safetensors`.
        device: The device of the tensors.

    Returns:
        Name to tensor, in the stored type; cached, so they must not be modified.
    """
    tensors = read_tensors(Path(__file__).with_name(f"{name}.safetensors"))
    return {key: tensor.to(device) for key, tensor in tensors.items()}
