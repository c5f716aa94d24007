"""VGG19 and VGG16: the features of the perceptual loss.

Sources: K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
arXiv:1409.1556 (configurations E and D); X. Wang et al., "ESRGAN", ECCVW 2018, arXiv:1809.00219 (features before the
activation); S. Xie and Z. Tu, "Holistically-Nested Edge Detection", ICCV 2015, arXiv:1504.06375 (HED, which trained
VGG16's convolutions on).
"""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from aimanga import weights
from aimanga.errors import ModelError
from aimanga.tensor_files import load_weights, read_tensors


class _Kind(NamedTuple):
    """A VGG: convolutions and channels of each stage, which a pooling ends; and mean and deviation of its input."""

    stages: tuple[tuple[int, int], ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_KINDS = {
    "vgg19": _Kind(((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)), *_IMAGENET),
    "vgg16-hed": _Kind(
        ((2, 64), (2, 128), (3, 256), (3, 512)),
        # Caffe's: levels of 255, from which the mean colour is subtracted.
        (122.67892 / 255, 116.66877 / 255, 104.00699 / 255), (1 / 255, 1 / 255, 1 / 255),
    ),
}  # fmt: skip

PERCEPTUAL_NETWORKS = tuple(_KINDS)
"""The networks by name; `aimanga weights fetch` gets their weights."""


class VGGFeatures(nn.Module):
    """The convolutions of a VGG, named as torchvision names them, so that its published weights load.

    Args:
        kind: One of `PERCEPTUAL_NETWORKS`.

    Attributes:
        kind: Likewise.
        taps: The layers whose features are returned, the last of each stage: name to number.
    """

    taps: dict[str, int]
    mean: Tensor
    std: Tensor

    def __init__(self, kind: str = "vgg19") -> None:
        super().__init__()
        self.kind = kind
        self.options: dict[str, int] = {}
        self.in_channels = 3
        self.size_multiple = 1
        self.taps = {}
        self.features = nn.ModuleList()
        stages, mean, std = _KINDS[kind]
        channels = 3
        for stage, (convs, features) in enumerate(stages, 1):
            for _ in range(convs):
                last = len(self.features)
                self.features += [nn.Conv2d(channels, features, 3, padding=1), nn.ReLU()]
                channels = features
            self.taps[f"conv{stage}_{convs}"] = last
            self.features.append(nn.MaxPool2d(2))
        del self.features[last + 1 :]  # nothing behind the last tap is needed
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Compute the features of a batch.

        Args:
            x: N x 3 x H x W, RGB, range [0, 1]; H and W are at least 16.

        Returns:
            The layers of `taps`, before their activation: N x C x H/2^k x W/2^k for the stage k from 0 on, rounded
            down, with 64, 128, 256, 512 and, of VGG19, 512 channels.
        """
        features = (x - self.mean) / self.std
        names = {layer: name for name, layer in self.taps.items()}
        found = {}
        for number, layer in enumerate(self.features):
            features = layer(features)
            if number in names:
                found[names[number]] = features
        return found


def load_vgg(network: str) -> VGGFeatures:
    """Load a VGG, frozen, in evaluation mode.

    Args:
        network: One of `PERCEPTUAL_NETWORKS`, or a weight file of one of them: torchvision's state dict of VGG19, or
            HED's convolutions in HDF5 or under their names, `conv1_1.weight` ...

    Raises:
        ModelError: The file is missing (the message says how to get it), damaged, or not of a VGG.
    """
    path = weights.find(network) if network in _KINDS else Path(network)
    state = _read_hdf5(path) if path.suffix == ".h5" else read_tensors(path)
    kind = "vgg16-hed" if "conv1_1.weight" in state else "vgg19"
    if network in _KINDS and network != kind:
        raise ModelError(f"{path}: these are the weights of {kind}, not of {network}")
    vgg = VGGFeatures(kind)
    if kind == "vgg16-hed":
        convs = [name for name, layer in vgg.features.named_children() if isinstance(layer, nn.Conv2d)]
        theirs = [f"conv{n}_{m}" for n, (count, _) in enumerate(_KINDS[kind].stages, 1) for m in range(1, count + 1)]
        names = dict(zip(theirs, convs, strict=True))
        state = {
            f"features.{names.get(layer, layer)}.{leaf}": tensor
            for layer, _, leaf, tensor in ((*name.partition("."), tensor) for name, tensor in state.items())
        }
    state = {name: tensor.float() for name, tensor in state.items() if name.startswith("features.")}
    load_weights(vgg, state, f"{path}: these are not the weights of {kind}")
    return vgg.requires_grad_(False).eval()


def _read_hdf5(path: Path) -> dict[str, Tensor]:
    """The convolutions of HED in Keras' layout, for input in RGB and under the names of their file in safetensors."""
    try:
        import h5py
    except ImportError as error:
        raise ModelError(f"{path}: reading it needs h5py: pip install 'aimanga[train]'") from error
    state: dict[str, Tensor] = {}
    try:
        with h5py.File(path) as file:
            for stage, (convs, _) in enumerate(_KINDS["vgg16-hed"].stages, 1):
                for conv in range(convs):
                    place = f"block{stage}/layers/conv2d{f'_{conv}' if conv else ''}/vars"
                    kernel, bias = (torch.from_numpy(file[f"{place}/{leaf}"][()]) for leaf in (0, 1))
                    kernel = kernel.permute(3, 2, 0, 1)
                    # Its first layer takes BGR.
                    state[f"conv{stage}_{conv + 1}.weight"] = kernel.flip(1) if stage == 1 and conv == 0 else kernel
                    state[f"conv{stage}_{conv + 1}.bias"] = bias
    except (OSError, KeyError, RuntimeError, TypeError) as error:
        raise ModelError(f"{path}: this file is damaged, or not of HED: {error}") from error
    return state
