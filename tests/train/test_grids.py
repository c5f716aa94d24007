import numpy as np
import pytest
import torch

import aimanga
from aimanga.degrade import draw, load_degradation
from aimanga.images import Box
from aimanga.tensors import from_array
from aimanga.train.grids import Output, Row, most_detailed, pixels_of, write_grid, write_inputs
from tests.train.conftest import noise


def colour(value, height, width):
    return np.full((height, width, 3), value, np.uint8)


def found(sheet, pixels):
    """Whether a picture stands somewhere in a sheet, and where its left upper corner is."""
    height, width = pixels.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(sheet[:, :, 0], (1, width))[:, :, 0]
    for top, left in zip(*np.nonzero((windows == pixels[0, :, 0]).all(2)), strict=True):
        if np.array_equal(sheet[top : top + height, left : left + width], pixels):
            return int(top), int(left)
    return None


@pytest.mark.parametrize("side", [4, 6])
def test_the_most_detailed_part_is_found(side):
    pixels = colour(100, 40, 60)
    pixels[20:26, 32:38] = noise(0, 6, 6)
    box = most_detailed(pixels, side, 2)
    assert (box.width, box.height) == (side, side)
    assert 20 <= box.top <= 26 - side and 32 <= box.left <= 38 - side
    assert box.left % 2 == box.top % 2 == 0


def test_of_a_small_picture_all_of_it():
    assert most_detailed(noise(0, 10, 6), 256, 4) == Box(0, 0, 8, 4)
    assert most_detailed(colour(7, 8, 8), 8, 1) == Box(0, 0, 8, 8)


def test_a_row_shows_the_same_part_of_all_stages(tmp_path):
    high = colour(90, 400, 480)
    high[128:384, 192:448] = noise(1, 256, 256)  # what is looked at
    low = noise(2, 120, 100)
    start, now = noise(3, 480, 400), noise(4, 480, 400)
    row = Row("photo", low, Output(start, {"psnr": 20.0}), Output(now, {"psnr": 24.3}), high)
    write_grid(tmp_path / "grid.png", [row, row])
    sheet = aimanga.read(tmp_path / "grid.png").pixels
    box = Box(192, 128, 256, 256)
    parts = [
        low[32:96, 48:112].repeat(4, 0).repeat(4, 1), box.of(start), box.of(now), box.of(high),
    ]  # fmt: skip
    places = [found(sheet, np.ascontiguousarray(part)) for part in parts]
    assert None not in places
    assert len({top for top, _ in places}) == 1
    assert [left for _, left in places] == sorted(left for _, left in places)


def test_of_a_real_picture_there_are_three_stages(tmp_path):
    low, start, now = noise(0, 20, 20), noise(1, 80, 80), noise(2, 80, 80)
    write_grid(tmp_path / "grid.png", [Row("x", low, Output(start, {}), Output(now, {"niqe": 3.2}), None)])
    sheet = aimanga.read(tmp_path / "grid.png").pixels
    assert found(sheet, low.repeat(4, 0).repeat(4, 1)) is not None
    assert found(sheet, now)[1] > found(sheet, start)[1]
    assert sheet.shape[1] < 4 * 256


def test_inputs_have_their_degradation_below(tmp_path):
    low = torch.cat([from_array(noise(n, 16, 16)) for n in range(2)])
    sample = draw(load_degradation("realesrgan"), 64, 64, 0)
    write_inputs(tmp_path / "inputs.png", low, [sample, None])
    sheet = aimanga.read(tmp_path / "inputs.png").pixels
    for number in range(2):
        assert found(sheet, noise(number, 16, 16).repeat(16, 0).repeat(16, 1)) is not None
    # A line of text for each step.
    assert sheet.shape[0] > 256 + 17 * len(sample.steps)


def test_a_tensor_as_a_picture():
    pixels = noise(0, 5, 7)
    assert np.array_equal(pixels_of(from_array(pixels)).pixels, pixels)
    assert pixels_of(torch.full((1, 3, 1, 1), 1.7)).pixels.tolist() == [[[255, 255, 255]]]
