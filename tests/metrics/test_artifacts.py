import numpy as np
import pytest
import torch

import aimanga
from aimanga.errors import PictureError
from aimanga.images import Picture, read
from aimanga.metrics.artifacts import LIMITS, _power, artifacts, find_artifacts, flat_blocks
from aimanga.models import RRDBNet
from aimanga.tensors import from_array, resize, to_array
from tests.conftest import ROOT

PLACES = np.arange(256)
CHECKERBOARD = np.where((PLACES[:, None] + PLACES) % 2, 1.0, -1.0)
SQUARES = np.where((PLACES[:, None] // 2 + PLACES // 2) % 2, 1.0, -1.0)
STRIPES = np.cos(np.pi / 2 * PLACES)[None] * np.ones((256, 1))
# The squared sum of the window over the sum of its squares: 16^4 / 12^2.
GAIN = 65536 / 144


def flat(level=120.0, side=64):
    return torch.full((3, side, side), level, dtype=torch.float64)


def noise(deviation, side=256, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, deviation, (3, side, side)))


def test_the_power_is_that_of_the_definition():
    """Against least squares and a Fourier transform written out."""
    block = np.random.default_rng(0).normal(100, 20, (32, 32))
    ones = np.ones((32, 32))
    plane = np.stack([ones, np.arange(32)[:, None] * ones, np.arange(32) * ones], 2).reshape(-1, 3)
    rest = block.ravel() - plane @ np.linalg.lstsq(plane, block.ravel(), rcond=None)[0]
    window = np.outer(*[0.5 - 0.5 * np.cos(2 * np.pi * np.arange(32) / 32)] * 2)
    found = _power(torch.from_numpy(block)).numpy()
    for y, x in ((0, 8), (16, 16), (8, 24), (5, 1)):
        wave = np.exp(-2j * np.pi * (y * np.arange(32)[:, None] + x * np.arange(32)) / 32)
        assert found[y, x] == pytest.approx(
            abs((rest.reshape(32, 32) * window * wave).sum()) ** 2 / (window**2).sum(), rel=1e-9
        )


@pytest.mark.parametrize("amplitude", [0.5, 2.0, 10.0])
@pytest.mark.parametrize(
    ("pattern", "two", "four"),
    [
        (CHECKERBOARD, GAIN / 3, 0.0),  # all of it at one of three frequencies
        (STRIPES, 0.0, GAIN / 4 / 6),  # a cosine: a quarter of the power on each side of 0
        (SQUARES, 0.0, 2 * GAIN / 4 / 6),  # two cosines of amplitude sqrt(2), multiplied: at two frequencies
    ],
    ids=["checkerboard", "stripes", "squares"],
)
def test_a_grid_is_found_at_its_frequency(pattern, two, four, amplitude):
    found = artifacts(flat(), flat(side=256) + amplitude * torch.from_numpy(pattern))
    # The plane takes a ten-thousandth of a wave.
    assert found.grid_2x2 == pytest.approx(1 + two * amplitude**2, rel=3e-4)
    assert found.grid_4x4 == pytest.approx(1 + four * amplitude**2, rel=3e-4)
    assert found.values["grid"] == max(found.grid_2x2, found.grid_4x4) > LIMITS["grid"]
    assert (found.flat, found.colour_drift) == (15 * 15, pytest.approx(0, abs=1e-9))


def test_a_grid_of_one_level_is_found_in_files():
    low = np.full((64, 64, 3), 120, np.uint8)
    output = np.repeat(120 + (CHECKERBOARD[..., None] > 0), 3, 2).astype(np.uint8)
    found = find_artifacts(low, output)
    assert found.grid_2x2 == pytest.approx(1 + GAIN / 3 / 4, rel=1e-4)
    assert found.colour_drift == pytest.approx(0.5)


@pytest.mark.parametrize("deviation", [1.0, 2.0, 5.0, 10.0])
def test_white_noise_is_told_as_it_is_and_is_no_grid(deviation):
    found = artifacts(flat(), flat(side=256) + noise(deviation))
    assert found.noise == pytest.approx(deviation, rel=0.05)
    assert found.grid_2x2 == pytest.approx(1, abs=0.15)
    assert found.grid_4x4 == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("slopes", [(0, 1), (1, 0), (2, 1), (-3, 1), (0.3, 0.2)])
@pytest.mark.parametrize("rounded", [False, True])
def test_a_gradient_is_no_artifact(slopes, rounded):
    """Rounded to 8 bits it has steps at a period, which the rounded input has too."""
    down, across = slopes
    places = torch.arange(24, dtype=torch.float64)
    low = (100 + down * places[:, None] + across * places).expand(3, -1, -1)
    output = resize(low[None], 96, 96)[0]
    found = artifacts(low, output.round() if rounded else output)
    assert found.values["grid"] < 1.1
    assert found.noise < 0.1
    assert found.colour_drift < 0.1


@pytest.mark.parametrize("shift", [(4, 0, 0), (0, 3, -7), (2, 2, 2)])
def test_colour_drift_is_told_in_levels(shift):
    low = noise(30, 40) + 120
    output = resize(low[None], 160, 160)[0]
    moved = output + torch.tensor(shift, dtype=torch.float64)[:, None, None]
    assert artifacts(low, output).colour_drift < 0.1
    assert artifacts(low, moved).colour_drift == pytest.approx(max(map(abs, shift)), abs=0.1)


def test_what_does_not_change_it():
    low = flat() + noise(1, 64, seed=1)
    output = resize(low[None], 256, 256)[0] + noise(2) + 0.5 * torch.from_numpy(SQUARES)
    found = list(artifacts(low, output).values.values())
    for other in (
        (low + 50, output + 50),  # brighter
        (low.flip(0), output.flip(0)),  # BGR
        (low.transpose(1, 2), output.transpose(1, 2)),
        (low.flip(2), output.flip(2)),
        (low.float(), output.float()),
    ):
        assert list(artifacts(*other).values.values()) == pytest.approx(found, rel=0.05)
    assert list(artifacts(low + 50, output + 50).values.values()) == pytest.approx(found, rel=1e-6, abs=1e-6)


def test_a_grid_of_the_input_does_not_count():
    """At scale 1 an input can have a grid; at scale 2 its finest one is of 4 x 4 pixels of the output."""
    board = 2 * torch.from_numpy(CHECKERBOARD)
    low = flat(side=256) + board
    assert artifacts(low, low).values["grid"] == pytest.approx(1, abs=0.1)
    assert artifacts(low, low + 4 * board).grid_2x2 > LIMITS["grid"]
    fine = flat(side=128) + board[:128, :128]
    assert artifacts(fine, resize(fine[None], 256, 256)[0]).values["grid"] == pytest.approx(1, abs=0.1)


def test_a_quiet_half_is_not_lost_in_the_other():
    output = flat(side=256) + noise(20)
    output[:, :, 128:] = 120 + 0.5 * torch.from_numpy(CHECKERBOARD)[:, 128:]
    assert artifacts(flat(), output).grid_2x2 > 2 * LIMITS["grid"]


def test_flat_is_the_input_that_is():
    low = flat()
    low[:, :, 32:] += noise(20, 64)[:, :, 32:]
    found = flat_blocks(low, 4)
    assert found.shape == (15, 15)
    assert found[:, :7].all()
    assert not found[:, 7:].any()  # the eighth block is half of each
    for output in (flat(side=256), noise(50)):
        assert artifacts(low, output).flat == 15 * 7


@pytest.mark.parametrize("low", [noise(20, 64) + 120, flat(255.0), flat(2.0), flat(side=7)], ids=str)
def test_without_flat_areas_there_is_colour_drift_alone(low):
    height, width = (4 * side for side in low.shape[1:])
    found = artifacts(low, resize(low[None], height, width)[0])
    assert (found.flat, found.grid_2x2, found.grid_4x4, found.noise) == (0, None, None, None)
    assert found.values == {"colour_drift": pytest.approx(0, abs=0.2)}


@pytest.mark.parametrize("size", [(192, 192), (256, 252), (32, 32)])
def test_an_output_of_another_size_is_refused(size):
    with pytest.raises(PictureError, match=r"pixels, which is no x1, x2, x4 or x8 of 64 x 64"):
        artifacts(flat(), torch.zeros(3, *size))


@pytest.fixture(scope="module")
def sky():
    """Small photos with flat areas."""
    photos = (from_array(read(ROOT / "samples" / f"{name}.jpg").pixels) for name in ("owl", "parrot"))
    return [to_array(resize(photo, 64, 64), np.uint8) for photo in photos]


def test_random_phases_of_pixelshuffle_are_a_grid(sky):
    for seed, low in enumerate(sky):
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            torch.manual_seed(seed)
            network = RRDBNet(features=8, blocks=1, growth=4, upsampler="pixelshuffle")
            x = from_array(low)
            output = resize(x, 256, 256) + 0.1 * network(x)  # a picture, with as little of the network as training adds
        found = find_artifacts(low, to_array(output, np.uint8))
        assert found.values["grid"] > LIMITS["grid"], found


@pytest.mark.slow
def test_a_good_network_stays_below_every_limit(sky):
    for low in sky:
        found = find_artifacts(low, aimanga.upscale(Picture(low), model="realesrgan-x4plus", device="cpu").pixels)
        assert found.values.keys() == LIMITS.keys()
        assert found.values["grid"] == pytest.approx(1, abs=0.3)
        assert all(value < LIMITS[name] for name, value in found.values.items()), found
