"""Read weight files of the formats that are in use. No file is ever given the chance to run code."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from aimanga.errors import ModelError
from aimanga.models.ncnn import NcnnLayer, read_ncnn

# Where training frameworks put the generator in a checkpoint, the best choice first.
_WRAPPERS = ("params_ema", "params", "state_dict")


def read_state(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a weight file.

    `.pth` (and `.pt`, `.ckpt`) is read with `weights_only=True`; of `params_ema`, `params` and `state_dict` the first
    one found is taken. `.safetensors` is read as it is. `.param` or `.bin` stands for a pair of ncnn files.

    Args:
        path: The file.

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
    elif suffix in {".param", ".bin"}:
        param, binary = path.with_suffix(".param"), path.with_suffix(".bin")
        for part in (param, binary):
            if not part.is_file():
                raise ModelError(f"{path}: ncnn weights are two files; {part.name} is missing beside it")
        content = named_by_order(read_ncnn(param, binary), str(path))
    else:
        raise ModelError(
            f"{path}: weight files are .safetensors, .pth, .pt, .ckpt, or ncnn's .param with .bin; "
            f"this is {suffix or 'a file without a suffix'}"
        )
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    if not isinstance(content, Mapping) or not content or not all(map(_is_plain, content.values())):
        held = ", ".join(map(str, list(content)[:8])) if isinstance(content, Mapping) else type(content).__name__
        raise ModelError(f"{path}: no set of weights inside; it holds: {held or 'nothing'}")
    return {str(name).removeprefix("module."): tensor for name, tensor in content.items()}


def named_by_order(layers: list[NcnnLayer], origin: str) -> dict[str, Tensor]:
    """Name the tensors of an ncnn file, which keeps no names, by their order.

    Args:
        layers: The layers with weights in forward order.
        origin: Where they come from, for error messages.

    Returns:
        A state dict with the names of RRDBNet or, where PReLUs are among the layers, of SRVGGNetCompact.

    Raises:
        ModelError: The number of layers fits neither network.
    """
    if any(layer.kind == "PReLU" for layer in layers):
        names = [f"body.{index}" for index in range(len(layers))]
    else:
        blocks, rest = divmod(len(layers) - 6, 15)
        if blocks < 1 or rest:
            raise ModelError(
                f"{origin}: {len(layers)} convolutions are not an RRDBNet, which has 15 a block and 6 more"
            )
        names = [
            "conv_first",
            *(f"body.{b}.rdb{r}.conv{c}" for b in range(blocks) for r in (1, 2, 3) for c in (1, 2, 3, 4, 5)),
            *("conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"),
        ]
    return {
        f"{name}.{kind}": tensor
        for name, layer in zip(names, layers, strict=True)
        for kind, tensor in zip(("weight", "bias"), layer.tensors, strict=False)
    }


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
