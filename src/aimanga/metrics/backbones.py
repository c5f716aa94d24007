"""The pretrained backbones of perceptual metrics, run over a picture in bands of rows.

Sources: K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
arXiv:1409.1556 (VGG16 is its configuration D); A. Krizhevsky, "One weird trick for parallelizing convolutional neural
networks", 2014, arXiv:1404.5997 (the AlexNet of torchvision). Weights: torchvision (BSD-3-Clause).
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aimanga.tensor_files import load_weights, read_tensors

BAND_PIXELS = 2**16
"""Pixels of a band: 64 channels of them are 16 MiB."""

VGG16_TAPS = (3, 8, 15, 22, 29)
"""Layers relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3: 64, 128, 256, 512 and 512 channels."""

ALEXNET_TAPS = (1, 4, 7, 9, 11)
"""Layers relu1 to relu5: 64, 192, 384, 256 and 256 channels."""

# The convolutions of each stage of VGG16 and their channels; a pooling separates two stages.
_VGG16_STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


@runtime_checkable
class Windowed(Protocol):
    """A convolution or pooling with square windows.

    Attributes:
        kernel_size: Rows and columns of the window.
        stride: Rows and columns between windows.
        padding: Rows of zero padding, which is always 0, and columns. `banded_features` pads the picture with as many
            rows itself, since a layer sees only a band and does not know where the picture ends.
    """

    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]

    def __call__(self, rows: Tensor, /) -> Tensor:
        """Compute the output rows of all windows that lie within the given rows."""


def _conv(channels: int, features: int, size: int) -> nn.Conv2d:
    return nn.Conv2d(channels, features, size, padding=(0, size // 2))


def _max_pool(size: int = 2) -> nn.MaxPool2d:
    return nn.MaxPool2d((size, size), (2, 2), (0, 0))


def vgg16_features(pooling: Callable[[], nn.Module] = _max_pool) -> nn.ModuleList:
    """The layers of VGG16 up to its last tap, numbered as in torchvision's `vgg16().features`.

    Args:
        pooling: Creates a `Windowed` pooling by 2; by default the published max pooling.
    """
    layers = nn.ModuleList()
    channels = 3
    for convs, features in _VGG16_STAGES:
        if layers:
            layers.append(pooling())
        for _ in range(convs):
            layers += [_conv(channels, features, 3), nn.ReLU()]
            channels = features
    return layers


def alexnet_features() -> nn.ModuleList:
    """The layers of AlexNet up to its last tap, numbered as in torchvision's `alexnet().features`."""
    return nn.ModuleList(
        [
            *(nn.Conv2d(3, 64, 11, stride=4, padding=(0, 2)), nn.ReLU(), _max_pool(3)),
            *(_conv(64, 192, 5), nn.ReLU(), _max_pool(3)),
            *(_conv(192, 384, 3), nn.ReLU()),
            *(_conv(384, 256, 3), nn.ReLU()),
            *(_conv(256, 256, 3), nn.ReLU()),
        ]
    )


def load_features(network: nn.Module, path: Path, official: str) -> None:
    """Load the convolutions of one of torchvision's classifiers, without its `classifier.*`.

    Args:
        network: The network, whose `state_dict()` has torchvision's names `features.N.weight` and `features.N.bias`.
        path: The file.
        official: The name of the published file, for the message.

    Raises:
        ModelError: The file is missing, damaged, or of another network.
    """
    state = {name: tensor for name, tensor in read_tensors(path).items() if not name.startswith("classifier.")}
    remedy = f"Get https://download.pytorch.org/models/{official}"
    load_weights(network, state, f"{path}: these are not the weights of {official}", remedy=remedy)


def banded_features(
    picture: Tensor, normalize: Callable[[Tensor], Tensor], layers: nn.ModuleList, taps: Sequence[int]
) -> Iterator[list[Tensor]]:
    """Run a backbone over a picture in bands of rows and yield the features of each band.

    Every row of features is computed once: each layer keeps the few rows with which its next window begins. The bands
    of a feature, stacked, are the features of the whole picture, and memory does not grow with its height.

    Args:
        picture: 1 x 3 x H x W.
        normalize: Normalizes the pixels for the backbone.
        layers: The backbone; layers with a window are `Windowed`.
        taps: The numbers of the layers whose features are wanted.

    Yields:
        The band of the picture itself, then the rows of each tap that it completes: 1 x C x h x w; h can be 0.
    """
    height, width = picture.shape[2:]
    rows = max(1, BAND_PIXELS // width)
    held: dict[int, Tensor] = {}
    for top in range(0, height, rows):
        band = picture[:, :, top : top + rows]
        features, found = normalize(band), [band]
        for number, layer in enumerate(layers):
            if isinstance(layer, Windowed):
                features, held[number] = _slide(layer, held.get(number), features, last=top + rows >= height)
            else:
                features = layer(features)
            if number in taps:
                found.append(features)
        yield found


def _slide(layer: Windowed, held: Tensor | None, rows: Tensor, *, last: bool) -> tuple[Tensor, Tensor]:
    """Compute the output rows whose windows are complete; also return the rows with which the next window begins."""
    kernel, stride = layer.kernel_size[0], layer.stride[0]
    edge = rows.new_zeros(1, rows.shape[1], layer.padding[1], rows.shape[3])
    rows = torch.cat([edge if held is None else held, rows, edge if last else edge[:, :, :0]], 2)
    if rows.shape[2] < kernel:  # no window is complete; padding gives the shape of a row
        return layer(F.pad(rows, (0, 0, 0, kernel - rows.shape[2])))[:, :, :0], rows
    output = layer(rows)
    # A view would keep the whole band in memory.
    return output, rows[:, :, output.shape[2] * stride :].clone()
