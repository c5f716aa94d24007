"""The published parameters that are small enough to be shipped; `LICENSES.md` has their notices."""

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
        device: Where the tensors are wanted.

    Returns:
        Name to tensor, in the stored type; shared, not to be changed.
    """
    tensors = read_tensors(Path(__file__).with_name(f"{name}.safetensors"))
    return {key: tensor.to(device) for key, tensor in tensors.items()}
