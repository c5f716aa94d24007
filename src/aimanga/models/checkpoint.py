"""Write checkpoints with metadata, and read weight files in the common formats. Nothing is ever unpickled."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from aimanga.atomic import replacing
from aimanga.errors import ModelError
from aimanga.models.ncnn import read_ncnn
from aimanga.tensor_files import read_tensors
from aimanga.version import versions


@dataclass(frozen=True)
class CheckpointInfo:
    """The metadata of a checkpoint.

    Attributes:
        network: The class of the network.
        options: Its arguments.
        scale: The factor by which the model upscales if no other is asked for; None for a discriminator.
        license: The licence of the weights, as an SPDX identifier; None if unknown.
        training_data: The training set; None if unknown.
        recipe: The training recipe, as TOML; None if there is none.
        parent: The names and digests of the models that it was made from; None if it was trained from scratch.
        versions: The versions of the programs that wrote it.
    """

    network: str
    options: Mapping[str, int | str]
    scale: int | None = None
    license: str | None = None
    training_data: str | None = None
    recipe: str | None = None
    parent: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


_TEXTS = ("license", "training_data", "recipe", "parent")


def save_checkpoint(
    path: Path,
    network: nn.Module,
    *,
    scale: int | None = None,
    license: str | None = None,
    training_data: str | None = None,
    recipe: str | None = None,
    parent: str | None = None,
    programs: Mapping[str, str] | None = None,
) -> None:
    """Write a network as `.safetensors`, with the metadata to build it again and to know where it comes from.

    Args:
        path: The file, which is replaced if it exists; its folder must exist.
        network: A network of `aimanga.models`.
        scale: As in `CheckpointInfo`, like the following.
        license: The licence of the weights.
        training_data: The training set.
        recipe: The training recipe.
        parent: The models that it was made from.
        programs: Versions of further programs, by name.
    """
    origin = versions("torch") | dict(programs or {})
    metadata = {
        "format": "pt",  # safetensors' readers look for it
        "aimanga.network": type(network).__name__,
        "aimanga.options": json.dumps(network.options),
        "aimanga.versions": json.dumps(origin),
    }
    texts = {"license": license, "training_data": training_data, "recipe": recipe, "parent": parent}
    metadata |= {f"aimanga.{name}": text for name, text in texts.items() if text is not None}
    if scale is not None:
        metadata["aimanga.scale"] = str(scale)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    header, tensors = _serialized(state, metadata)
    with replacing(path) as part, part.open("wb") as file:
        file.write(header)
        file.write(tensors)


def _serialized(state: dict[str, Tensor], metadata: dict[str, str]) -> tuple[bytes, memoryview]:
    """Header and data of a safetensors file; with its metadata sorted, which the library leaves in a random order."""
    data = save(state, metadata)
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format wants the data aligned to 8 bytes
    return len(text).to_bytes(8, "little") + text, memoryview(data)[end:]


def read_info(path: Path) -> CheckpointInfo | None:
    """Read the metadata of a checkpoint.

    Args:
        path: A weight file in any format.

    Returns:
        The metadata; None if the file is not a checkpoint written by `save_checkpoint`.

    Raises:
        ModelError: A `.safetensors` file is missing, or it or its metadata is damaged.
    """
    if path.suffix.lower() != ".safetensors":
        return None
    if not path.is_file():
        raise ModelError(f"{path}: there is no such weight file")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: this .safetensors file is damaged: {error}") from error
    if "aimanga.network" not in metadata:
        return None
    try:
        options = json.loads(metadata["aimanga.options"])
        programs = json.loads(metadata.get("aimanga.versions", "{}"))
        scale = int(metadata["aimanga.scale"]) if "aimanga.scale" in metadata else None
    except (KeyError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: its metadata is damaged: {error!r}") from error
    if not isinstance(options, dict) or not all(isinstance(value, int | str) for value in options.values()):
        raise ModelError(f"{path}: its metadata is damaged: its network's options are {options!r}")
    if not isinstance(programs, dict) or (scale is not None and not 1 <= scale <= 16):
        raise ModelError(f"{path}: its metadata is damaged: scale {scale}, versions {programs!r}")
    texts = {name: metadata.get(f"aimanga.{name}") for name in _TEXTS}
    return CheckpointInfo(metadata["aimanga.network"], options, scale, **texts, versions=programs)


def read_state(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a weight file in any format of `read_tensors`, or of an ncnn pair.

    Args:
        path: The file. `.param` or `.bin` stands for a pair of ncnn files.

    Returns:
        Name to tensor, on the CPU, in the stored type; the names of ncnn's tensors are those of `read_ncnn`.

    Raises:
        ModelError: The file is missing or damaged, holds more than tensors, or has another format.
    """
    if not path.is_file() or path.suffix.lower() not in {".param", ".bin"}:
        return read_tensors(path, also=".param with .bin (ncnn)")
    param, binary = path.with_suffix(".param"), path.with_suffix(".bin")
    for part in (param, binary):
        if not part.is_file():
            raise ModelError(f"{path}: ncnn weights are two files; {part.name} is missing beside it")
    return read_ncnn(param, binary)
