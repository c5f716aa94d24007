import pytest
import torch
import torch.nn.functional as F
from torch import nn

from aimanga.errors import ModelError
from aimanga.metrics import backbones
from aimanga.metrics.backbones import (
    ALEXNET_TAPS,
    VGG16_TAPS,
    alexnet_features,
    banded_features,
    load_features,
    vgg16_features,
)

# Of torchvision's `features`: number, and channels in and out, window, stride and padding of the convolutions; window
# and stride of the poolings.
ALEXNET_CONVS = {0: (3, 64, 11, 4, 2), 3: (64, 192, 5, 1, 2), 6: (192, 384, 3, 1, 1), 8: (384, 256, 3, 1, 1)}
ALEXNET_CONVS |= {10: (256, 256, 3, 1, 1)}
ALEXNET_POOLS = {2: (3, 2), 5: (3, 2)}
VGG16_NUMBERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
VGG16_CHANNELS = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
VGG16_CONVS = {n: (*VGG16_CHANNELS[i : i + 2], 3, 1, 1) for i, n in enumerate(VGG16_NUMBERS)}
VGG16_POOLS = {4: (2, 2), 9: (2, 2), 16: (2, 2), 23: (2, 2)}

NETWORKS = {
    "alexnet": (alexnet_features, ALEXNET_TAPS, ALEXNET_CONVS, ALEXNET_POOLS),
    "vgg16": (vgg16_features, VGG16_TAPS, VGG16_CONVS, VGG16_POOLS),
}


def thin(layers):
    """The same windows with a 16th of the channels."""
    torch.manual_seed(0)
    for number, layer in enumerate(layers):
        if isinstance(layer, nn.Conv2d):
            channels = max(3, layer.in_channels // 16), layer.out_channels // 16
            layers[number] = nn.Conv2d(*channels, layer.kernel_size, layer.stride, layer.padding)
    return layers.requires_grad_(False)


class Holder(nn.Module):
    """Gives the layers the name that they have in torchvision's files."""

    def __init__(self, features):
        super().__init__()
        self.features = features


def whole_features(picture, layers, taps, convs, pools):
    """The features of the whole picture at once, as the two papers' layers are defined."""
    state, found = layers.state_dict(), []
    for number in range(taps[-1] + 1):
        if number in convs:
            *_, stride, padding = convs[number]
            picture = F.conv2d(picture, state[f"{number}.weight"], state[f"{number}.bias"], stride, padding)
        elif number in pools:
            picture = F.max_pool2d(picture, *pools[number])
        else:
            picture = picture.clamp(min=0)
        if number in taps:
            found.append(picture)
    return found


@pytest.mark.parametrize(("name", "parameters"), [("alexnet", 2_469_696), ("vgg16", 14_714_688)])
def test_the_layers_are_those_of_torchvision(name, parameters):
    make, _, convs, _ = NETWORKS[name]
    with torch.device("meta"):
        state = make().state_dict()
    expected = {f"{n}.weight": (out, into, size, size) for n, (into, out, size, *_) in convs.items()}
    expected |= {f"{n}.bias": (out,) for n, (_, out, *_) in convs.items()}
    assert {key: tuple(tensor.shape) for key, tensor in state.items()} == expected
    assert sum(tensor.numel() for tensor in state.values()) == parameters  # as published, without the classifier


@pytest.mark.parametrize("name", NETWORKS)
def test_the_bands_under_one_another_are_the_features_of_the_whole(name, monkeypatch):
    make, taps, convs, pools = NETWORKS[name]
    layers = thin(make())
    for height, width in ((31, 31), (67, 45)):
        picture = torch.rand(1, 3, height, width)
        expected = [picture, *whole_features(2 * picture - 1, layers, taps, convs, pools)]
        for rows in (1, 7, 32, 1000):
            monkeypatch.setattr(backbones, "BAND_PIXELS", rows * width)
            bands = list(banded_features(picture, lambda pixels: 2 * pixels - 1, layers, taps))
            assert len(bands) == -(-height // rows)
            assert max(band[0].shape[2] for band in bands) == min(rows, height)
            for made, whole in zip(zip(*bands, strict=True), expected, strict=True):
                torch.testing.assert_close(torch.cat(made, 2), whole)


def test_a_layer_keeps_no_more_than_the_rows_of_a_window(monkeypatch):
    """Otherwise memory grows with the height."""
    layers = vgg16_features().requires_grad_(False)[:5]
    monkeypatch.setattr(backbones, "BAND_PIXELS", 32 * 8)
    slide, held = backbones._slide, []

    def watched(*arguments, **named):
        features, rows = slide(*arguments, **named)
        held.append(rows)
        return features, rows

    monkeypatch.setattr(backbones, "_slide", watched)
    for _ in banded_features(torch.rand(1, 3, 128, 8), nn.Identity(), layers, (3,)):
        pass
    assert len(held) == 4 * 3  # bands x convolutions and pooling
    assert all(rows.shape[2] <= 2 for rows in held)
    assert all(rows.untyped_storage().nbytes() == 4 * rows.numel() for rows in held)


def test_the_classifier_of_a_published_file_is_left_aside(tmp_path):
    path = tmp_path / "alexnet.pth"
    state = {f"features.{name}": torch.randn_like(t).half() for name, t in alexnet_features().state_dict().items()}
    torch.save({**state, "classifier.1.weight": torch.zeros(2, 2), "classifier.1.bias": torch.zeros(2)}, path)
    network = Holder(alexnet_features())
    load_features(network, path, "alexnet.pth")
    assert network.state_dict().keys() == state.keys()
    for name, tensor in network.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, state[name].float())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"features.0.bias": None}, "features.0.bias is missing. Get"),
        ({"features.0.bias": torch.zeros(3)}, r"features.0.bias is float \(3,\), expected float \(64,\). Get"),
        ({"features.13.weight": torch.zeros(3)}, "features.13.weight is unknown. Get"),
        ({f"head.{n}": torch.zeros(1) for n in range(9)}, "head.3 is unknown and 5 more. Get"),
    ],
)
def test_another_file_is_refused_by_the_names_of_what_is_wrong(tmp_path, change, named):
    path = tmp_path / "other.pth"
    network = Holder(alexnet_features())
    torch.save({name: t for name, t in (network.state_dict() | change).items() if t is not None}, path)
    with pytest.raises(ModelError, match=rf"other.pth: .*official.pth: .*{named} https://download.pytorch.org"):
        load_features(network, path, "official.pth")
