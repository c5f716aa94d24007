"""VGG19: the features of the perceptual loss.

Sources: K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
arXiv:1409.1556 (configuration E); X. Wang et al., "ESRGAN", ECCVW 2018, arXiv:1809.00219 (features before the
activation).
"""

import torch
from torch import Tensor, nn

from aimanga import weights
from aimanga.tensor_files import load_weights, read_tensors

# The convolutions of each stage and their channels; a stage ends with a pooling.
_STAGES = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))

# Mean and standard deviation of ImageNet, on which it was trained.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGG19Features(nn.Module):
    """The convolutions of VGG19, named as torchvision names them, so that its published weights load.

    Attributes:
        taps: The layers whose features are returned: name to number.
    """

    taps: dict[str, int]
    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.options: dict[str, int] = {}
        self.in_channels = 3
        self.size_multiple = 1
        self.taps = {}
        self.features = nn.ModuleList()
        channels = 3
        for stage, (convs, features) in enumerate(_STAGES, 1):
            for _ in range(convs):
                last = len(self.features)
                self.features += [nn.Conv2d(channels, features, 3, padding=1), nn.ReLU()]
                channels = features
            self.taps[f"conv{stage}_{convs}"] = last
            self.features.append(nn.MaxPool2d(2))
        del self.features[last + 1 :]  # nothing behind the last tap is needed
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Compute the features of a batch.

        Args:
            x: N x 3 x H x W, RGB, range [0, 1]; H and W are at least 16.

        Returns:
            `conv1_2`, `conv2_2`, `conv3_4`, `conv4_4` and `conv5_4`, before their activation: N x C x H/2^k x W/2^k
            with 64, 128, 256, 512 and 512 channels and k from 0 to 4, rounded down.
        """
        features = (x - self.mean) / self.std
        names = {layer: name for name, layer in self.taps.items()}
        found = {}
        for number, layer in enumerate(self.features):
            features = layer(features)
            if number in names:
                found[names[number]] = features
        return found


def load_vgg19() -> VGG19Features:
    """Load VGG19 with torchvision's published weights, frozen, in evaluation mode.

    Raises:
        ModelError: The file is missing (the message says how to get it), damaged, or not of VGG19.
    """
    path = weights.find("vgg19")
    state = {name: tensor for name, tensor in read_tensors(path).items() if name.startswith("features.")}
    network = VGG19Features()
    load_weights(network, state, f"{path}: these are not the weights of VGG19")
    return network.requires_grad_(False).eval()
