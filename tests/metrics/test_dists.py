from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import nn

from aimanga.errors import ModelError, PictureError
from aimanga.metrics import backbones, dists
from aimanga.metrics.dists import DISTS, L2Pool, load_dists

PARAMETERS = Path(dists.__file__).with_name("parameters")

# Numbers of the convolutions of each stage in torchvision's `vgg16().features`.
STAGES = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))


@pytest.fixture(scope="module")
def state():
    """Random numbers under torchvision's names, of a size that keeps features alive."""
    generator = torch.Generator().manual_seed(0)
    channels, made = 3, {}
    for numbers, features in zip(STAGES, (64, 128, 256, 512, 512), strict=True):
        for n in numbers:
            weight = torch.randn(features, channels, 3, 3, generator=generator) * (2 / (9 * channels)) ** 0.5
            made |= {f"features.{n}.weight": weight, f"features.{n}.bias": 0.1 * torch.ones(features)}
            channels = features
    return made


@pytest.fixture(scope="module")
def network(state):
    made = DISTS()
    made.load_state_dict(state)
    return made.requires_grad_(False).eval()


@pytest.fixture(scope="module")
def pairs():
    generator = torch.Generator().manual_seed(1)
    references = F.interpolate(torch.rand(3, 3, 9, 7, generator=generator), (33, 25), mode="bilinear")
    noise = torch.tensor([0.02, 0.1, 0.3]).view(3, 1, 1, 1) * torch.randn(3, 3, 33, 25, generator=generator)
    return (references + noise).clamp(0, 1), references


def published_weights():
    with safe_open(PARAMETERS / "dists.safetensors", "pt") as file:
        return file.get_tensor("alpha"), file.get_tensor("beta"), file.metadata()


def test_it_is_the_published_formula(network, state, pairs):
    """1 minus the weighed similarities, in float64, in which the subtraction does no harm."""
    line = np.hanning(5)[1:-1]
    kernel = torch.from_numpy(np.outer(line, line) / np.outer(line, line).sum())[None, None]
    mean, std = torch.tensor([0.485, 0.456, 0.406]).double(), torch.tensor([0.229, 0.224, 0.225]).double()
    channels = [x.double() for x in pairs]
    taps = [channels]
    values = [(x - mean[:, None, None]) / std[:, None, None] for x in channels]
    for stage, numbers in enumerate(STAGES):
        if stage:
            values = [
                (F.conv2d((v**2).flatten(0, 1)[:, None], kernel, stride=2, padding=1) + 1e-12).sqrt() for v in values
            ]
            values = [v.view(3, -1, *v.shape[2:]) for v in values]
        for n in numbers:
            weight, bias = state[f"features.{n}.weight"].double(), state[f"features.{n}.bias"].double()
            values = [F.relu(F.conv2d(v, weight, bias, padding=1)) for v in values]
        taps.append(values)
    alpha, beta, _ = published_weights()
    similarities = []
    for x, y in taps:
        x, y = x.flatten(2), y.flatten(2)
        x_mean, y_mean = x.mean(2), y.mean(2)
        covariance = (x * y).mean(2) - x_mean * y_mean
        similarities.append(
            torch.stack(
                [
                    (2 * x_mean * y_mean + 1e-6) / (x_mean**2 + y_mean**2 + 1e-6),
                    (2 * covariance + 1e-6) / (x.var(2, correction=0) + y.var(2, correction=0) + 1e-6),
                ]
            )
        )
    texture, structure = torch.cat(similarities, 2)
    weighed = (alpha.flatten() * texture + beta.flatten() * structure).sum(1)
    expected = 1 - weighed / (alpha.double().sum() + beta.double().sum())
    made = network(*pairs)
    assert made.shape == (3,) and made.dtype == torch.float32
    torch.testing.assert_close(made.double(), expected, rtol=1e-4, atol=1e-7)


def test_two_pixels_solved_by_hand():
    network = DISTS()
    network.features = nn.ModuleList()  # the pixels alone are left
    network.alpha, network.beta = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([3.0, 0.0, 0.0])
    x, y = torch.zeros(1, 3, 1, 2), torch.zeros(1, 3, 1, 2)
    x[0, 0, 0], y[0, 0, 0] = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0])
    # Means 1/2 and 1: texture 1 / (1/4 + 1) = 0.8. Variances 1/4 and 0, covariance 0: structure 0.
    assert network(x, y).tolist() == pytest.approx([(1 * (1 - 0.8) + 3 * (1 - 0)) / 4], rel=1e-5)
    # Against its mirror image: the means agree, the covariance is minus the variance.
    assert network(x, x.flip(3)).tolist() == pytest.approx([(1 * 0 + 3 * 2) / 4], rel=1e-5)


def test_a_small_variance_beside_a_large_mean_is_solved_by_hand():
    """Sums of squares in float32 are too coarse for it: their difference is off by a tenth."""
    network = DISTS()
    network.features = nn.ModuleList()
    network.alpha, network.beta = torch.zeros(3), torch.tensor([1.0, 0.0, 0.0])
    y = torch.full((1, 3, 64, 64), 0.9)
    x = y + 1e-3 * (-1) ** torch.arange(64)  # variance 1e-6, as large as the constant of the formula
    assert network(x, y).tolist() == pytest.approx([1 / 2], rel=1e-3)


def test_the_pooling_of_a_constant_is_solved_by_hand():
    """A border misses one of the three taps with a quarter of the weight; the root is taken of what is left."""
    pooled = L2Pool()(torch.full((1, 2, 5, 7), -2.0))
    assert pooled.shape == (1, 2, 2, 4)  # rows are padded by the bands, columns by the layer
    expected = 2 * torch.tensor([0.75**0.5, 1, 1, 0.75**0.5]).expand(1, 2, 2, 4)
    torch.testing.assert_close(pooled, expected)


def test_equal_pictures_have_no_distance_and_order_does_not_matter(network, pairs):
    assert network(pairs[1], pairs[1]).tolist() == [0, 0, 0]
    flat = torch.full((1, 3, 20, 20), 0.7)
    assert network(flat, flat).tolist() == [0]
    assert torch.equal(network(*pairs), network(*reversed(pairs)))
    distances = network(*pairs).tolist()
    assert 0 < distances[0] < distances[1] < distances[2] < 1


def test_the_smallest_difference_is_seen(network, pairs):
    """Subtracted from 1 in float32, as published, it would drown in rounding."""
    x = pairs[1][:1]
    y = x.clone()
    y[0, 1, 20, 20] += 1e-4
    assert 0 < float(network(x, y)) < 1e-7


def test_neither_the_batch_nor_the_bands_change_the_result(network, pairs, monkeypatch):
    whole = network(*pairs)
    assert torch.equal(whole[1:2], network(pairs[0][1:2], pairs[1][1:2]))
    monkeypatch.setattr(backbones, "BAND_PIXELS", 7 * 25)
    torch.testing.assert_close(network(*pairs), whole, rtol=1e-4, atol=0)


def test_any_size_is_measured_but_not_two_sizes(network):
    assert network(torch.rand(1, 3, 1, 1), torch.rand(1, 3, 1, 1)).isfinite().all()
    with pytest.raises(PictureError, match="6 x 5 pixels, its reference 6 x 4"):
        network(torch.rand(1, 3, 5, 6), torch.rand(1, 3, 4, 6))


def test_a_published_file_is_loaded_frozen(tmp_path, state):
    path = tmp_path / "vgg16-397923af.pth"
    torch.save({**state, "classifier.6.bias": torch.zeros(1000)}, path)
    network = load_dists(path)
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    assert network.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"features.0.bias": torch.zeros(64)}, path)
    with pytest.raises(ModelError, match="not the weights of vgg16-397923af.pth"):
        load_dists(path)


def test_the_shipped_weights_are_the_published_ones_under_their_licence():
    alpha, beta, metadata = published_weights()
    for weights, total in ((alpha, 0.8760496), (beta, 0.1239502)):  # the sums in the authors' weights.pt
        assert weights.shape == (1, 3 + 64 + 128 + 256 + 512 + 512, 1, 1) and weights.dtype == torch.float32
        assert (weights >= 0).all()
        assert float(weights.double().sum()) == pytest.approx(total, rel=1e-6)
    assert metadata["license"] == "MIT"
    assert metadata["copyright"] == "Copyright (c) 2020 Keyan Ding"
    assert metadata["copyright"] in metadata["license_notice"]
    assert "The above copyright notice and this permission notice shall be included" in metadata["license_notice"]
    assert metadata["license_notice"] in (PARAMETERS / "LICENSES.md").read_text(encoding="utf-8")
    assert "dingkeyan93/DISTS" in metadata["source"]
