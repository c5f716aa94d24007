"""The grid of JPEG is found wherever it begins, and nothing else is taken for it."""

import numpy as np
import pytest

from aimanga.curate.blockiness import GridSteps
from aimanga.curate.measure import measure
from aimanga.images import Picture
from tests.curate.pictures import jpeg, noisy, photos


def blockiness(pixels):
    return measure(Picture.from_array(np.ascontiguousarray(pixels))).measures.blockiness


@pytest.mark.parametrize("number", range(6))
def test_jpeg_is_told_from_the_original(number):
    photo = photos()[number]
    coarse = blockiness(jpeg(photo, 20))
    assert coarse > blockiness(photo)
    assert blockiness(jpeg(photo, 10)) > coarse


@pytest.mark.parametrize(("down", "right"), [(3, 5), (7, 1), (4, 4)])
def test_the_grid_may_begin_anywhere(down, right):
    damaged = jpeg(photos()[0], 20)
    assert blockiness(damaged[down:, right:]) == pytest.approx(blockiness(damaged), rel=0.2)


def test_steps_by_hand():
    # Steps of 80 between blocks, 10 between the other columns; the rows are alike.
    row = np.zeros(256, int)
    for column in range(1, 256):
        step = 80 if column % 8 == 0 else 10
        row[column] = row[column - 1] + (step if row[column - 1] < 100 else -step)
    collector = GridSteps(256)
    collector.add(np.tile(row, (64, 1)).astype(np.int16))
    collector.add(np.tile(row, (64, 1)).astype(np.int16))
    assert collector.finish() == pytest.approx(np.log(80.05 / 10.05) / 2)


def test_noise_and_flat_ground_have_no_grid():
    plain = np.full((256, 256, 3), 90, np.uint8)
    assert blockiness(plain) == 0
    assert blockiness(noisy(plain, 10)) < 0.05
