"""Read weight files in the common formats, and load their tensors into networks. Nothing is ever unpickled."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from aimanga.errors import ModelError
from aimanga.problems import Problems

# The keys under which training frameworks store the network, the preferred one first.
_WRAPPERS = ("params_ema", "params", "state_dict")


def read_tensors(path: Path, *, also: str = "") -> dict[str, Tensor]:
    """Read the tensors of a weight file.

    `.pth`, `.pt` and `.ckpt` are read with `weights_only=True`; the tensors are those under the first of the keys
    `params_ema`, `params` and `state_dict`, or at the top level. `.safetensors` files are read as they are.

    Args:
        path: The file.
        also: Other formats that the caller reads, for the message about an unknown one.

    Returns:
        Name to tensor, on the CPU, in the stored type; without the `module.` prefix of distributed training.

    Raises:
        ModelError: The file is missing or damaged, holds more than tensors, or has another format.
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
        raise ModelError(f"{path}: weight files are {known}, not {suffix or 'files without a suffix'}")
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    if not isinstance(content, Mapping) or not content or not all(map(_is_plain, content.values())):
        held = ", ".join(map(str, list(content)[:8])) if isinstance(content, Mapping) else type(content).__name__
        raise ModelError(f"{path}: the file holds no state dict, but: {held or 'nothing'}")
    return {str(name).removeprefix("module."): tensor for name, tensor in content.items()}


def load_weights(network: nn.Module, state: Mapping[str, Tensor], what: str, *, remedy: str = "") -> None:
    """Load a state dict into a network, which can be on the meta device.

    Args:
        network: The network. It keeps its types, on the CPU.
        state: Name to tensor; exactly the names and shapes of `network.state_dict()`.
        what: What the error message begins with, such as "a.pth: these are not the weights of VGG19".
        remedy: What the error message ends with: where to get the right file.

    Raises:
        ModelError: Tensors are missing, unknown, or of another shape.
    """
    expected = network.state_dict()
    require_keys(_described(state), _described(expected), what, remedy=remedy)
    # Copies: tensors of a file can lie at unaligned addresses, where some kernels sum in another order.
    copies = {name: tensor.to(expected[name].dtype, copy=True) for name, tensor in state.items()}
    network.load_state_dict(copies, assign=True)


def require_keys(found: Mapping[str, str], expected: Mapping[str, str], what: str, *, remedy: str = "") -> None:
    """Compare the keys of a file with those of a network.

    Args:
        found: Name to type and shape, such as "float (64, 3, 3, 3)".
        expected: Likewise.
        what: As `load_weights` takes it.
        remedy: As `load_weights` takes it.

    Raises:
        ModelError: They differ.
    """
    problems = Problems(most=4)
    problems.add(*(f"{name} is missing" for name in expected if name not in found))
    problems.add(*(f"{name} is unknown" for name in found if name not in expected))
    problems.add(
        *(
            f"{name} is {shape}, expected {expected[name]}"
            for name, shape in found.items()
            if name in expected and shape != expected[name]
        )
    )
    if problems:
        raise ModelError(f"{what}: {problems}{f'. {remedy}' if remedy else ''}")


def _described(state: Mapping[str, Tensor]) -> dict[str, str]:
    kinds = {name: "float" if tensor.is_floating_point() else "integer" for name, tensor in state.items()}
    return {name: f"{kinds[name]} {tuple(tensor.shape)}" for name, tensor in state.items()}


def _is_plain(entry: object) -> bool:
    """Whether an entry of a checkpoint is a dense tensor of real numbers."""
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
    # PyTorch has only ever written zip archives and pickles of protocol 2 and above.
    if start[:1] != b"\x80" and start != b"PK":
        raise ModelError(f"{path}: this weight file is damaged, or not a PyTorch file")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path}: refused: it holds more than weights, and loading such a file can run code. Convert it to "
            ".safetensors with the program that wrote it"
        ) from error
    except Exception as error:  # torch raises all kinds of errors on damaged files
        raise ModelError(f"{path}: this weight file is damaged: {error}") from error
