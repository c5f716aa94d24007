"""Read ncnn's `.param` (structure, text) and `.bin` (weights) files.

Format, from ncnn's documentation: `.param` begins with the magic number 7767517 and the counts of layers and
blobs; then one line a layer: type, name, number of inputs and of outputs, their names, `key=value` parameters.
`.bin` holds the weights of the layers in that order. A convolution's begin with a four-byte tag (0x01306B47:
float16, 0: float32), the kernel padded to a multiple of four bytes, then the bias in float32 without a tag; a
PReLU's slopes are float32 without a tag.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aimanga.errors import ModelError

_MAGIC = "7767517"
_TAG_FP16 = 0x01306B47
_TAG_FP32 = 0
_WEIGHTLESS = {
    "BinaryOp", "Concat", "Eltwise", "Input", "Interp", "PixelShuffle", "ReLU", "Reorg", "Split",
}  # fmt: skip


def read_ncnn(param: Path, binary: Path) -> dict[str, Tensor]:
    """Read the tensors of a network; ncnn stores them in the order in which the network uses them, without names.

    Args:
        param: The `.param` file.
        binary: The `.bin` file.

    Returns:
        The tensors in float32, named by kind and number of their layer among those with weights:
        `Convolution.0.weight` (out x in x k x k), `Convolution.0.bias` (out), `PReLU.1.weight` (channels).

    Raises:
        ModelError: A file has another format or layers of another kind, or their sizes disagree.
    """
    lines = _param_lines(param)
    stream = _Stream(binary, np.fromfile(binary, dtype=np.uint8))
    layers: list[tuple[str, tuple[Tensor, ...]]] = []
    for line in lines:
        words = line.split()
        try:
            kind, name, inputs, outputs = words[0], words[1], int(words[2]), int(words[3])
            options = dict(word.split("=", 1) for word in words[4 + inputs + outputs :])
            if kind == "Convolution":
                layers.append((kind, _read_convolution(stream, options)))
            elif kind == "PReLU":
                layers.append((kind, (stream.floats(int(options["0"])),)))
            elif kind not in _WEIGHTLESS:
                raise ModelError(f"{param}: layer {name} is a {kind}, which no supported network has")
        except (IndexError, KeyError, ValueError, RuntimeError, ZeroDivisionError) as error:
            raise ModelError(f"{param}: this line does not describe an ncnn layer: {line!r}") from error
    stream.expect_end()
    return {
        f"{kind}.{number}.{name}": tensor
        for number, (kind, tensors) in enumerate(layers)
        for name, tensor in zip(("weight", "bias"), tensors, strict=False)
    }


def _param_lines(param: Path) -> list[str]:
    text = param.read_text(encoding="utf-8", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or lines[0].strip() != _MAGIC:
        raise ModelError(f"{param}: not an ncnn .param file: its first line is not {_MAGIC}")
    counts = lines[1].split() if len(lines) > 1 else []
    if not counts or counts[0] != str(len(lines) - 2):
        raise ModelError(
            f"{param}: the file is cut short: it has {len(lines) - 2} of {''.join(counts[:1]) or '?'} layers"
        )
    return lines[2:]


def _read_convolution(stream: "_Stream", options: dict[str, str]) -> tuple[Tensor, ...]:
    outputs, size, count = int(options["0"]), int(options["1"]), int(options["6"])
    inputs = count // (outputs * size * size)
    weight = stream.tagged(count).view(outputs, inputs, size, size)
    return (weight, stream.floats(outputs)) if options.get("5") == "1" else (weight,)


class _Stream:
    """The bytes of a `.bin` file, read front to back."""

    def __init__(self, path: Path, data: "np.ndarray[tuple[int], np.dtype[np.uint8]]") -> None:
        self.path = path
        self.data = data
        self.offset = 0

    def tagged(self, count: int) -> Tensor:
        tag = int(self._take(4).view("<u4")[0])
        if tag == _TAG_FP32:
            return self.floats(count)
        if tag == _TAG_FP16:
            padded = self._take(-(-2 * count // 4) * 4)
            return torch.from_numpy(padded[: 2 * count].view("<f2").astype(np.float32))
        raise ModelError(f"{self.path}: weights are stored as {tag:#010x}, which is neither float16 nor float32")

    def floats(self, count: int) -> Tensor:
        return torch.from_numpy(self._take(4 * count).view("<f4").astype(np.float32))

    def expect_end(self) -> None:
        if self.offset != self.data.size:
            raise ModelError(
                f"{self.path}: {self.data.size - self.offset} bytes remain after the last layer: "
                "the .param file belongs to another .bin"
            )

    def _take(self, size: int) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
        if self.offset + size > self.data.size:
            raise ModelError(f"{self.path}: the file ends too early, or its .param belongs to another .bin")
        taken = self.data[self.offset : self.offset + size]
        self.offset += size
        return taken
