"""MUSIQ: a transformer that scores a picture from its patches at three scales.

Sources: J. Ke et al., "MUSIQ: Multi-scale Image Quality Transformer", ICCV 2021, arXiv:2108.05997, in the details as
google-research/google-research `musiq/model` (Apache-2.0) and Flax 0.3.3, for which it was written; S. Qiao et al.,
"Micro-Batch Training with Batch-Channel Normalization and Weight Standardization", arXiv:1903.10520.
"""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aimanga.errors import ModelError
from aimanga.metrics.musiq_patches import GRID, LONG_SIDES, PATCH, multiscale_patches, same_padding
from aimanga.tensor_files import require_keys

# Channels of the stem's root and of its residual unit's output.
_ROOT, _STEM = 64, 256

# The stem shrinks a patch by 4 each way.
_PATCH_FEATURES = _STEM * (PATCH // 4) ** 2

# The batch size of the stem in patches, whose features take 0.5 MiB each.
_CHUNK = 128


class StdConv(nn.Conv2d):
    """A convolution with weight standardization and TensorFlow's padding "SAME", without bias.

    Each filter w is standardized over its input channels and window: (w - mean) / (standard deviation + 1e-5).
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve N x in_channels x H x W to N x out_channels x ceil(H / stride) x ceil(W / stride)."""
        deviation, mean = torch.std_mean(self.weight, (1, 2, 3), correction=0, keepdim=True)
        padded = _pad_same(x, self.kernel_size[0], self.stride[0])
        return F.conv2d(padded, (self.weight - mean) / (deviation + 1e-5), None, self.stride)


def _pad_same(x: Tensor, window: int, stride: int, value: float = 0.0) -> Tensor:
    top, bottom = same_padding(x.shape[2], window, stride)
    left, right = same_padding(x.shape[3], window, stride)
    return F.pad(x, (left, right, top, bottom), value=value)


class Stem(nn.Module):
    """The first layers of a ResNet with GroupNorm: root, pooling and one bottleneck unit."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_root = StdConv(3, _ROOT, 7, stride=2)
        self.gn_root = nn.GroupNorm(32, _ROOT, eps=1e-6)
        self.conv_proj = StdConv(_ROOT, _STEM, 1)
        self.gn_proj = nn.GroupNorm(32, _STEM, eps=1e-4)
        self.conv1 = StdConv(_ROOT, _ROOT, 1)
        self.gn1 = nn.GroupNorm(32, _ROOT, eps=1e-4)
        self.conv2 = StdConv(_ROOT, _ROOT, 3)
        self.gn2 = nn.GroupNorm(32, _ROOT, eps=1e-4)
        self.conv3 = StdConv(_ROOT, _STEM, 1)
        self.gn3 = nn.GroupNorm(32, _STEM, eps=1e-4)

    def forward(self, patches: Tensor) -> Tensor:
        """Map P x 3 x 32 x 32 to P x 256 x 8 x 8."""
        root = F.relu(self.gn_root(self.conv_root(patches)))
        root = F.max_pool2d(_pad_same(root, 3, 2, value=-torch.inf), 3, 2)
        x = F.relu(self.gn1(self.conv1(root)))
        x = F.relu(self.gn2(self.conv2(x)))
        return F.relu(self.gn_proj(self.conv_proj(root)) + self.gn3(self.conv3(x)))


class EncoderBlock(nn.Module):
    """One pre-norm layer of the transformer: attention and an MLP, each with a residual.

    Args:
        hidden: Features of a token.
        heads: Number of attention heads, a divisor of `hidden`.
        mlp: Hidden features of the MLP.
    """

    def __init__(self, hidden: int, heads: int, mlp: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(hidden, eps=1e-6)
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, hidden)
        self.norm2 = nn.LayerNorm(hidden, eps=1e-6)
        self.expand = nn.Linear(hidden, mlp)
        self.reduce = nn.Linear(mlp, hidden)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map 1 x tokens x hidden to the same shape."""
        x = self.norm1(tokens)
        query, key, value = (
            project(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for project in (self.query, self.key, self.value)
        )
        attended = F.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.out(attended.transpose(1, 2).flatten(2))
        out: Tensor = tokens + self.reduce(F.gelu(self.expand(self.norm2(tokens)), approximate="tanh"))
        return out


class MUSIQ(nn.Module):
    """No-reference quality of a picture on the scale of its training set; higher is better.

    With the file for KonIQ-10k scores are mean opinion scores of about 0 to 100. The defaults are the published
    configuration, with 27,125,825 parameters.

    Pictures are scored one by one. Each patch is a token, and every token attends to every other: time is quadratic
    in the number of patches. Memory is linear where PyTorch has a fused attention (as on the CPU); otherwise `heads` x
    patches^2 floats come on top. On one core 1920 x 1080 pixels (2040 patches) take 150 MiB and 3 s, 2048 x 2048
    (4096 patches) 350 MiB and 8 s.

    Args:
        hidden: Features of a token.
        layers: Number of layers of the transformer.
        heads: Attention heads of a layer.
        mlp: Hidden features of the MLP of a layer.
    """

    def __init__(self, *, hidden: int = 384, layers: int = 14, heads: int = 6, mlp: int = 1152) -> None:
        super().__init__()
        self.heads = heads
        self.stem = Stem()
        self.embedding = nn.Linear(_PATCH_FEATURES, hidden)
        self.pos_embedding = nn.Parameter(torch.zeros(1, GRID * GRID, hidden))
        self.scale_embedding = nn.Parameter(torch.zeros(1, len(LONG_SIDES) + 1, hidden))
        self.cls = nn.Parameter(torch.zeros(1, 1, hidden))
        self.blocks = nn.Sequential(*(EncoderBlock(hidden, heads, mlp) for _ in range(layers)))
        self.norm = nn.LayerNorm(hidden, eps=1e-6)
        self.head = nn.Linear(hidden, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Score pictures.

        Args:
            pictures: N x 3 x H x W, float32, RGB, range [0, 1]; the long side is less than 448 times the short one.

        Returns:
            N scores, float32.

        Raises:
            PictureError: The pictures are empty or too narrow.
        """
        return torch.cat([self._score(picture) for picture in torch.split(pictures, 1)])

    def _score(self, picture: Tensor) -> Tensor:
        pixels, positions, scales = multiscale_patches(2 * picture - 1)
        # Channels last, as in Flax: the embedding's weights have that order.
        features = (self.stem(chunk).permute(0, 2, 3, 1).flatten(1) for chunk in torch.split(pixels, _CHUNK))
        tokens = torch.cat([self.embedding(chunk) for chunk in features])
        tokens = tokens + self.pos_embedding[0, positions] + self.scale_embedding[0, scales]
        encoded = self.blocks(torch.cat((self.cls, tokens[None]), 1))
        score: Tensor = self.head(self.norm(encoded[:, 0]))[:, 0]
        return score


# The official files hold the parameters under this prefix, besides the optimizer's state.
_TARGET = "opt/target/"

_MODULES = {  # PyTorch's name: Flax's
    "stem.conv_root": "conv_root",
    "stem.gn_root": "gn_root",
    "stem.conv_proj": "block1/unit1/conv_proj",
    "stem.gn_proj": "block1/unit1/gn_proj",
    "stem.conv1": "block1/unit1/conv1",
    "stem.gn1": "block1/unit1/gn1",
    "stem.conv2": "block1/unit1/conv2",
    "stem.gn2": "block1/unit1/gn2",
    "stem.conv3": "block1/unit1/conv3",
    "stem.gn3": "block1/unit1/gn3",
    "embedding": "embedding",
    "norm": "Transformer/encoder_norm",
    "head": "head",
}

_BLOCK_MODULES = {  # in `blocks.N`: in Flax's Transformer/encoderblock_N
    "norm1": "LayerNorm_0",
    "query": "MultiHeadDotProductAttention_1/query",
    "key": "MultiHeadDotProductAttention_1/key",
    "value": "MultiHeadDotProductAttention_1/value",
    "out": "MultiHeadDotProductAttention_1/out",
    "norm2": "LayerNorm_2",
    "expand": "MlpBlock_3/Dense_0",
    "reduce": "MlpBlock_3/Dense_1",
}

_PARAMETERS = {  # PyTorch's name: Flax's
    "pos_embedding": "Transformer/posembed_input/pos_embedding",
    "scale_embedding": "Transformer/scaleembed_input/scale_embedding",
    "cls": "Transformer/cls",
}


def load_musiq(path: Path) -> MUSIQ:
    """Load MUSIQ with the parameters of one of its official files, such as `koniq_ckpt.npz`.

    The files for KonIQ-10k (which papers report), SPAQ and PaQ-2-PiQ can be loaded; those with other outputs or scales
    (AVA, single-scale) cannot.

    Args:
        path: The `.npz` file, in Flax's layout.

    Returns:
        The network in float32, frozen, in evaluation mode.

    Raises:
        ModelError: The file is missing, damaged, or not of this network.
    """
    with torch.device("meta"):
        network = MUSIQ()
    load_parameters(network, path)
    return network.requires_grad_(False).eval()


def load_parameters(network: MUSIQ, path: Path) -> None:
    """Load the parameters of a file in Flax's layout into a network of any configuration.

    Args:
        network: The network, which can be on the meta device; afterwards it is on the CPU, in float32.
        path: The `.npz` file.

    Raises:
        ModelError: The file is missing, damaged, or not of this network.
    """
    arrays = _read(path)
    parameters = network.state_dict()
    keys = {name: _flax_key(name) for name in parameters}
    require_keys(
        {key: f"{'float' if a.dtype.kind == 'f' else a.dtype} {a.shape}" for key, a in arrays.items()},
        {keys[name]: f"float {_flax_shape(name, p.shape, network.heads)}" for name, p in parameters.items()},
        f"{path}: these are not the weights of MUSIQ",
    )
    state = {name: _from_flax(arrays[keys[name]], parameter.shape) for name, parameter in parameters.items()}
    network.load_state_dict(state, assign=True)


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a file under `_TARGET`, by their full keys."""
    if not path.is_file():
        raise ModelError(f"{path}: there is no such weight file")
    if not zipfile.is_zipfile(path):
        raise ModelError(f"{path}: MUSIQ's weights are a .npz file; this is not one, or it is damaged")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: np.asarray(archive[key]) for key in archive.files if key.startswith(_TARGET)}
    except Exception as error:  # numpy raises all kinds of errors on damaged files
        raise ModelError(f"{path}: this .npz file is damaged: {error}") from error


def _flax_key(name: str) -> str:
    """The key in Flax's layout of a parameter."""
    if name in _PARAMETERS:
        return _TARGET + _PARAMETERS[name]
    module, leaf = name.rsplit(".", 1)
    if module.startswith("blocks."):
        _, number, part = module.split(".")
        theirs = f"Transformer/encoderblock_{number}/{_BLOCK_MODULES[part]}"
    else:
        theirs = _MODULES[module]
    if leaf == "weight":
        leaf = "scale" if module.rsplit(".", 1)[-1].startswith(("gn", "norm")) else "kernel"
    return f"{_TARGET}{theirs}/{leaf}"


def _flax_shape(name: str, shape: torch.Size, heads: int) -> tuple[int, ...]:
    """The shape in Flax's layout of a parameter that has `shape` here."""
    if name in _PARAMETERS:
        return tuple(shape)
    module = name.split(".")[-2]
    if module in ("query", "key", "value"):  # Flax has a separate axis of heads
        return (*shape[1:], heads, shape[0] // heads)
    if name.endswith(".out.weight"):
        return (heads, shape[1] // heads, shape[0])
    if module.startswith("gn"):
        return (1, 1, 1, *shape)
    if len(shape) == 4:  # OIHW is HWIO
        return (*shape[2:], shape[1], shape[0])
    return tuple(reversed(shape))  # (out, in) is (in, out)


def _from_flax(array: npt.NDArray[Any], shape: torch.Size) -> Tensor:
    """A parameter of this shape, from an array in Flax's layout."""
    tensor = torch.from_numpy(array.astype(np.float32))
    if len(shape) == 4:
        tensor = tensor.permute(3, 2, 0, 1)
    elif len(shape) == 2:
        tensor = tensor.reshape(shape[1], shape[0]).T
    return tensor.reshape(shape).contiguous()
