"""Export a model to safetensors, to Real-ESRGAN's `.pth`, or to ONNX."""

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
from aimanga.models.catalog import LoadedModel, load_model
from aimanga.models.checkpoint import save_checkpoint
from aimanga.models.options import ExportOptions
from aimanga.models.rrdbnet import RRDBNet
from aimanga.models.variants import PRESETS, Variant, convert
from aimanga.options import with_options

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 20
"""The version of ONNX's operator set."""

TOLERANCE = 1e-4
"""The largest difference between the outputs of the exported model and the original, in the range [0, 1]."""

_SUFFIXES = (".safetensors", ".pth", ".onnx")
_PLAIN = PRESETS["realesrgan"]


@dataclass(frozen=True)
class Exported:
    """An exported model.

    Attributes:
        path: The file.
        variant: The variant of RRDBNet; None for other networks.
        difference: The largest difference between its output and the model's on random noise, in the range [0, 1].
    """

    path: Path
    variant: Variant | None
    difference: float


@with_options
def export(model: str | Path | LoadedModel, output: str | Path, options: ExportOptions = ExportOptions()) -> Exported:
    """Write a model to a file and compare its output with that of the original.

    Args:
        model: The model, its name or its weight file.
        output: The file, which is replaced if it exists. `.safetensors` is a checkpoint of this project. `.pth` has
            Real-ESRGAN's layout, which many programs read; variants of RRDBNet are converted to the plain one if that
            is exact. `.onnx` takes N x 3 x height x width, float32, range [0, 1], of any batch size and size.
        options: See `ExportOptions`; its fields can be given as keywords.

    Raises:
        UsageError: The file's format is unknown or cannot hold the variant; the extra `export` is not installed.
        ModelError: The model cannot be loaded, has no such variant, or the exported one has another output.
    """
    path = Path(output)
    variant = None if options.preset is None else PRESETS[options.preset]
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise UsageError(f"{path}: models are exported as {', '.join(_SUFFIXES)}")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")
    if suffix == ".pth" and variant not in (None, _PLAIN):
        raise UsageError(f"{path}: programs that read .pth know the plain RRDBNet only; use .safetensors")
    if not isinstance(model, LoadedModel):
        model = load_model(model)
    network = model.network
    if suffix == ".pth" and isinstance(network, RRDBNet):
        variant = _PLAIN
    if variant is not None:
        if not isinstance(network, RRDBNet):
            raise UsageError(f"{model.name}: only RRDBNet has variants, and this is a {type(network).__name__}")
        network = convert(network, variant)

    sample = torch.rand(1, 3, 32, 24, generator=torch.Generator().manual_seed(0))
    expected, result = _run(model.network, sample), _run(network, sample)
    parent = f"{model.name} (sha256 {model.sha256})"
    if suffix == ".onnx":
        program = _to_onnx(network, model, parent)
        result = _run_onnx(program, sample)
    difference = float((result - expected).abs().max())
    if not difference <= TOLERANCE:
        raise ModelError(f"{path}: not written: its output would differ by {difference:.2g} from the model's")
    if suffix == ".onnx":
        with replacing(path) as part:
            part.write_bytes(program.SerializeToString())
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
    """The variant of an RRDBNet; None for other networks."""
    if not isinstance(network, RRDBNet):
        return None
    return Variant(network.attention, network.upsampler)


def _run(network: torch.nn.Module, x: Tensor) -> Tensor:
    with torch.inference_mode():
        result: Tensor = network(x)
    return result


def _to_onnx(network: torch.nn.Module, model: LoadedModel, parent: str) -> "ModelProto":
    try:
        import onnx  # noqa: F401  the exporter needs these three
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
    proto: ModelProto = program.model_proto
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
    del proto.metadata_props[:]
    for key, value in about.items():
        if value is not None:
            proto.metadata_props.add(key=key, value=value)
    return proto


def _run_onnx(proto: "ModelProto", x: Tensor) -> Tensor:
    import onnxruntime

    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"input": x.numpy()})
    return torch.from_numpy(result)


@contextmanager
def _silenced() -> Iterator[None]:
    """Silence the exporter's reports that torchvision is absent, and PyTorch's warnings about itself."""
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
