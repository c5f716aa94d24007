"""Write checkpoints, and read weight files of the formats that are in use.

No file is ever given the chance to run code.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from aimanga.atomic import replacing
from aimanga.errors import ModelError
from aimanga.models.ncnn import NcnnLayer, read_ncnn
from aimanga.tensor_files import read_tensors
from aimanga.version import versions


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint of this project says about itself.

    Attributes:
        network: The class of the network.
        options: The arguments to build it with.
        scale: The factor that the model is made for; None for a network that makes no pictures.
        license: The licence of the weights, as an SPDX identifier; None where it is not known.
        training_data: What it was trained on; None where that is not known.
        recipe: The recipe that it was trained with, as TOML; None for none.
        parent: What it was made from: names and digests; None where it began with random numbers.
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
    """Write a network as `.safetensors`, with all that is needed to build it again and to know what it is.

    Args:
        path: The file to make or replace; its folder must exist.
        network: A network of `aimanga.models`.
        scale: As in `CheckpointInfo`, like all that follow.
        license: The licence of the weights.
        training_data: What it was trained on.
        recipe: What it was trained with.
        parent: What it was made from.
        programs: Versions of what else had a part in it.
    """
    origin = versions("torch") | dict(programs or {})
    metadata = {
        "format": "pt",  # which libraries read this file
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
    """A safetensors file in two parts. The library puts the metadata in a random order: the same has the same bytes."""
    data = save(state, metadata)
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the tensors begin where the format wants them
    return len(text).to_bytes(8, "little") + text, memoryview(data)[end:]


def read_info(path: Path) -> CheckpointInfo | None:
    """Read what a file says about itself.

    Args:
        path: A weight file of any kind.

    Returns:
        The information; None where the file is no checkpoint of this project.

    Raises:
        ModelError: The file is a `.safetensors` file that is missing or damaged, or its information is.
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
        raise ModelError(f"{path}: what it says about itself is damaged: {error!r}") from error
    if not isinstance(options, dict) or not all(isinstance(value, int | str) for value in options.values()):
        raise ModelError(f"{path}: what it says about itself is damaged: its network's options are {options!r}")
    if not isinstance(programs, dict) or (scale is not None and not 1 <= scale <= 16):
        raise ModelError(f"{path}: what it says about itself is damaged: scale {scale}, versions {programs!r}")
    texts = {name: metadata.get(f"aimanga.{name}") for name in _TEXTS}
    return CheckpointInfo(metadata["aimanga.network"], options, scale, **texts, versions=programs)


def read_state(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a weight file: one that `read_tensors` reads, or ncnn's.

    Args:
        path: The file. `.param` or `.bin` stands for a pair of ncnn files.

    Returns:
        Name to tensor, on the CPU, in the stored type.

    Raises:
        ModelError: The file is missing, damaged, holds more than tensors, or is of another format.
    """
    suffix = path.suffix.lower()
    if not path.is_file() or suffix not in {".param", ".bin"}:
        return read_tensors(path, also=".param with .bin (ncnn)")
    param, binary = path.with_suffix(".param"), path.with_suffix(".bin")
    for part in (param, binary):
        if not part.is_file():
            raise ModelError(f"{path}: ncnn weights are two files; {part.name} is missing beside it")
    return named_by_order(read_ncnn(param, binary), str(path))


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
