"""Write a model for other programs: safetensors, Real-ESRGAN's `.pth`, ONNX."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from aimanga.atomic import replacing
from aimanga.errors import ModelError, UsageError
from aimanga.models.catalog import LoadedModel
from aimanga.models.checkpoint import save_checkpoint
from aimanga.models.convert import PRESETS, Variant, convert
from aimanga.models.rrdbnet import RRDBNet

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 20
"""The version of ONNX's operators that is written."""

TOLERANCE = 1e-4
"""How far the result of an exported file may be from the model's, of a range of 1."""

_SUFFIXES = (".safetensors", ".pth", ".onnx")
_PLAIN = PRESETS["realesrgan"]


@dataclass(frozen=True)
class Exported:
    """What `export` made.

    Attributes:
        path: The file.
        variant: Which RRDBNet it holds; None for other networks.
        difference: How far its result is from the model's on a picture of noise, at most, of a range of 1.
    """

    path: Path
    variant: Variant | None
    difference: float


def export(model: LoadedModel, path: Path, variant: Variant | None = None) -> Exported:
    """Write a model into a file, and compare what it gives with what the model gives.

    Args:
        model: The model.
        path: The file to make or replace. `.safetensors`: a checkpoint of this project. `.pth`: under Real-ESRGAN's
            names, which all its relatives read; variants of RRDBNet are turned into the plain one where that is exact.
            `.onnx`: N x 3 x height x width of float32 in [0, 1], all three of any size.
        variant: The variant of RRDBNet to make of it first; None to leave it as it is.

    Returns:
        What was made.

    Raises:
        UsageError: The file's kind is not known, or cannot hold what is asked for; the extra `export` is missing.
        ModelError: The model has no such variant, or the result is not that of the model.
    """
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise UsageError(f"{path}: models are exported as {', '.join(_SUFFIXES)}")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")
    if suffix == ".pth":
        if variant not in (None, _PLAIN):
            raise UsageError(f"{path}: a .pth is for programs that know the plain RRDBNet alone; use .safetensors")
        variant = _PLAIN if isinstance(model.network, RRDBNet) else None
    network = model.network
    if variant is not None:
        if not isinstance(network, RRDBNet):
            raise UsageError(f"{model.name}: only RRDBNet has variants, this is a {type(network).__name__}")
        network = convert(network, variant)

    sample = torch.rand(1, 3, 32, 24, generator=torch.Generator().manual_seed(0))
    expected, result = _run(model.network, sample), _run(network, sample)
    parent = f"{model.name} (sha256 {model.sha256})"
    if suffix == ".onnx":
        made = _to_onnx(network, model, parent)
        result = _run_onnx(made, sample)
    difference = float((result - expected).abs().max())
    if not difference <= TOLERANCE:
        raise ModelError(f"{path}: not written: its result would be {difference:.2g} from the model's")
    if suffix == ".onnx":
        with replacing(path) as part:
            part.write_bytes(made.SerializeToString())
    elif suffix == ".pth":
        with replacing(path) as part:
            torch.save({"params_ema": network.state_dict()}, part)
    else:
        save_checkpoint(
            path,
            network,
            scale=model.scale,
            license=model.license,
            training_data=model.training_data,
            parent=parent,
        )
    return Exported(path, variant_of(network), difference)


def variant_of(network: torch.nn.Module) -> Variant | None:
    """Which variant of RRDBNet a network is; None where it is another network."""
    if not isinstance(network, RRDBNet):
        return None
    return Variant(network.attention, network.upsampler)


def _run(network: torch.nn.Module, x: Tensor) -> Tensor:
    with torch.inference_mode():
        result: Tensor = network(x)
    return result


def _to_onnx(network: torch.nn.Module, model: LoadedModel, parent: str) -> "ModelProto":
    try:
        import onnx  # noqa: F401 (what the exporter needs; here its absence can be explained)
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(f"ONNX needs {error.name}: pip install 'aimanga[export]'") from error
    multiple = network.size_multiple
    assert isinstance(multiple, int)
    sizes = {dim: multiple * torch.export.Dim(name) for dim, name in ((2, "height"), (3, "width"))}
    sample = torch.zeros(2, 3, 12, 16)
    with _silenced():
        program = torch.onnx.export(
            network,
            (sample,),
            dynamo=True,
            opset_version=OPSET,
            input_names=["input"],
            output_names=["output"],
            dynamic_shapes=({0: torch.export.Dim("batch"), **sizes},),
            external_data=False,
            verbose=False,
        )
    assert program is not None
    made: ModelProto = program.model_proto
    about = {
        "name": model.name,
        "network": type(network).__name__,
        "options": json.dumps(network.options),
        "scale": str(network.scale),
        "size_multiple": str(multiple),
        "range": "0 to 1, RGB",
        "license": model.license,
        "training_data": model.training_data,
        "parent": parent,
    }
    del made.metadata_props[:]
    for key, value in about.items():
        if value is not None:
            made.metadata_props.add(key=key, value=value)
    return made


def _run_onnx(made: "ModelProto", x: Tensor) -> Tensor:
    import onnxruntime

    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"input": x.numpy()})
    return torch.from_numpy(result)


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep the exporter from reporting that torchvision is absent, and that PyTorch uses what it deprecates itself."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        log.setLevel(level)
