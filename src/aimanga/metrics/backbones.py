"""The pretrained networks that perceptual metrics look through, run over a picture in bands of rows.

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

from aimanga.errors import ModelError
from aimanga.tensor_files import read_tensors

BAND_PIXELS = 2**16
"""How many pixels of a picture are worked on at once: 64 channels of them are 16 MiB."""

VGG16_TAPS = (3, 8, 15, 22, 29)
"""Layers relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3: 64, 128, 256, 512 and 512 channels."""

ALEXNET_TAPS = (1, 4, 7, 9, 11)
"""Layers relu1 to relu5: 64, 192, 384, 256 and 256 channels."""

# Convolutions of each stage of VGG16 and their channels; between two stages lies a pooling.
_VGG16_STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


@runtime_checkable
class Windowed(Protocol):
    """A layer that makes each value of a window of its input: a convolution or a pooling, with square windows.

    Attributes:
        kernel_size: Rows and columns of the window.
        stride: Rows and columns from one window to the next.
        padding: Zeros that the layer puts above and below, always 0, and left and right. `banded_features` puts as
            many above and below the picture as left and right: a layer, which sees a band, cannot know its ends.
    """

    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]

    def __call__(self, rows: Tensor, /) -> Tensor:
        """Make the rows of all windows that lie within the given rows."""


def _conv(channels: int, features: int, size: int) -> nn.Conv2d:
    return nn.Conv2d(channels, features, size, padding=(0, size // 2))


def _max_pool(size: int = 2) -> nn.MaxPool2d:
    return nn.MaxPool2d((size, size), (2, 2), (0, 0))


def vgg16_features(pooling: Callable[[], nn.Module] = _max_pool) -> nn.ModuleList:
    """The layers of VGG16 up to its last tap, numbered as in torchvision's `vgg16().features`.

    Args:
        pooling: Makes a pooling that halves the size, one of the `Windowed`; by default the maximum, as published.
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
    """Load the convolutions of a classifier of torchvision; its `classifier.*` is not used.

    Args:
        network: Gets the weights; its `state_dict()` says which.
        path: The file, with torchvision's names `features.N.weight` and `features.N.bias`.
        official: The name of the published file, for the message.

    Raises:
        ModelError: The file is missing, damaged, or of another network.
    """
    state = {name: tensor for name, tensor in read_tensors(path).items() if not name.startswith("classifier.")}
    found, expected = ({name: t.shape for name, t in tensors.items()} for tensors in (state, network.state_dict()))
    wrong = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    if wrong:
        raise ModelError(
            f"{path}: these are not the weights of {official}: missing, unknown or of another shape are "
            f"{', '.join(wrong[:4])}{' and more' if wrong[4:] else ''}. Get https://download.pytorch.org/models/{official}"
        )
    network.load_state_dict(state)


def banded_features(
    picture: Tensor, normalize: Callable[[Tensor], Tensor], layers: nn.ModuleList, taps: Sequence[int]
) -> Iterator[list[Tensor]]:
    """Run a network over a picture, a band of rows after the other, and give the features of each band.

    Every row of every feature is made once: a layer keeps the few rows with which its next window begins. The bands of
    a feature, one under the other, are what the network gives for the whole picture, and memory does not grow with
    the height.

    Args:
        picture: 1 x 3 x H x W.
        normalize: What the network wants done to the pixels.
        layers: The network; those with a window are `Windowed`.
        taps: The numbers of the layers whose features are given.

    Yields:
        The band of the picture itself, and then the rows of each tap that it completes, 1 x C x h x w; h can be 0.
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
    """Make the rows whose windows are complete, and give back the rows with which the next window begins."""
    kernel, stride = layer.kernel_size[0], layer.stride[0]
    edge = rows.new_zeros(1, rows.shape[1], layer.padding[1], rows.shape[3])
    rows = torch.cat([edge if held is None else held, rows, edge if last else edge[:, :, :0]], 2)
    if rows.shape[2] < kernel:  # no window is complete; a blank one tells the shape of a row
        return layer(F.pad(rows, (0, 0, 0, kernel - rows.shape[2])))[:, :, :0], rows
    made = layer(rows)
    # A copy: a view would keep the whole band.
    return made, rows[:, :, made.shape[2] * stride :].clone()
