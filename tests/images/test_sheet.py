import numpy as np
import pytest

from aimanga.images.sheet import Cell, contact_sheet, enlarged


def flat(level, height=30, width=40):
    return np.full((height, width, 3), level, np.uint8)


@pytest.mark.parametrize(
    ("count", "columns", "grid"), [(1, None, (1, 1)), (5, None, (2, 3)), (4, 4, (1, 4)), (2, 9, (1, 2))]
)
def test_pictures_stand_unscaled_in_a_grid(count, columns, grid):
    sheet = contact_sheet([Cell(flat(n), f"picture {n}") for n in range(count)], columns).pixels
    rows, across = grid
    assert sheet.shape[1] == across * 52 + 12
    step = (sheet.shape[0] - 12) // rows
    for n in range(count):
        row, column = divmod(n, across)
        top, left = 12 + row * step, 12 + column * 52
        assert (sheet[top : top + 30, left : left + 40] == n).all()
        assert (sheet[top - 1, left - 1] == 255).all()


def test_text_stands_under_its_picture_and_nowhere_else():
    plain = contact_sheet([Cell(flat(9), "", ["", ""])] * 2).pixels
    sheet = contact_sheet(
        [Cell(flat(9), "", ["", "1.2°, 汉字, and much more than there is room for"]), Cell(flat(9), "")]
    )
    inked = np.argwhere((sheet.pixels != plain).any(2))
    assert len(inked) > 50
    assert inked[:, 0].min() >= 12 + 30 + 4 + 2 * 17 and inked[:, 0].max() < 12 + 30 + 4 + 3 * 17
    assert inked[:, 1].min() >= 12 and inked[:, 1].max() < 52


def test_enlarging_repeats_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8)
    assert np.array_equal(enlarged(pixels, 3), np.kron(pixels, np.ones((3, 3, 1), np.uint8)))
