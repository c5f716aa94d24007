"""Read the tensors of weight files, in the formats that are in use. No file is ever given the chance to run code."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from aimanga.errors import ModelError

# Where training frameworks put the network in a checkpoint, the best choice first.
_WRAPPERS = ("params_ema", "params", "state_dict")


def read_tensors(path: Path, *, also: str = "") -> dict[str, Tensor]:
    """Read the tensors of a weight file.

    `.pth` (and `.pt`, `.ckpt`) is read with `weights_only=True`; of `params_ema`, `params` and `state_dict` the first
    one found is taken. `.safetensors` is read as it is.

    Args:
        path: The file.
        also: What else the caller reads, for the message about a file of another format.

    Returns:
        Name to tensor, on the CPU, in the stored type; a `module.` prefix of parallel training removed.

    Raises:
        ModelError: The file is missing, damaged, holds more than tensors, or is of another format.
    """
    if not path.is_file():
        raise ModelError(f"{path}: there is no such weight file")
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        content: object = _read_safetensors(path)
    elif suffix in {".pth", ".pt", ".ckpt"}:
        content = _read_pickled(path)
    else:
        known = ", ".join(filter(None, (".safetensors", ".pth", ".pt", ".ckpt", also)))
        raise ModelError(f"{path}: weight files are {known}; this is {suffix or 'a file without a suffix'}")
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    if not isinstance(content, Mapping) or not content or not all(map(_is_plain, content.values())):
        held = ", ".join(map(str, list(content)[:8])) if isinstance(content, Mapping) else type(content).__name__
        raise ModelError(f"{path}: no set of weights inside; it holds: {held or 'nothing'}")
    return {str(name).removeprefix("module."): tensor for name, tensor in content.items()}


def _is_plain(entry: object) -> bool:
    """Whether an entry of a checkpoint is a tensor of ordinary real numbers."""
    return (
        isinstance(entry, Tensor)
        and entry.layout == torch.strided
        and entry.device.type == "cpu"
        and not (entry.is_quantized or entry.is_complex())
    )


def _read_safetensors(path: Path) -> object:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: this .safetensors file is damaged: {error}") from error


def _read_pickled(path: Path) -> object:
    with path.open("rb") as file:
        start = file.read(2)
    # A zip archive, or a pickle of protocol 2 and above: all that PyTorch has ever written.
    if start[:1] != b"\x80" and start != b"PK":
        raise ModelError(f"{path}: this weight file is damaged, or no PyTorch file at all")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path}: refused: it holds more than weights, and loading such a file can run code. Convert it to "
            ".safetensors with the program that made it"
        ) from error
    except Exception as error:  # on damaged files torch raises whatever its unpickler stumbles over
        raise ModelError(f"{path}: this weight file is damaged: {error}") from error
