import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from aimanga.benchmark.crops import crop_all, load_pictures, most_different_crop
from aimanga.evaluate import Case
from aimanga.images import Box


def test_the_part_is_where_results_differ():
    flat = np.full((400, 600, 3), 100, np.uint8)
    other = flat.copy()
    other[250:290, 400:440] = 160
    box = most_different_crop([flat, other], 160, 160, 4)
    assert (box.width, box.height) == (160, 160)
    assert box.left <= 400 and box.left + 160 >= 440
    assert box.top <= 250 and box.top + 160 >= 290


@given(
    st.integers(1, 300), st.integers(1, 300), st.integers(8, 320), st.integers(8, 320), st.sampled_from([1, 2, 3, 4])
)
def test_the_part_is_within_the_picture_and_has_one_in_the_input(rows, columns, width, height, scale):
    rows, columns = rows * scale, columns * scale
    rng = np.random.default_rng(rows * columns)
    results = [rng.integers(0, 256, (rows, columns, 3), np.uint8) for _ in range(2)]
    box = most_different_crop(results, width, height, scale)
    assert 0 < box.width <= columns and 0 < box.height <= rows
    assert 0 <= box.left <= columns - box.width and 0 <= box.top <= rows - box.height
    assert not any(side % scale for side in (box.left, box.top, box.width, box.height))


def test_a_small_picture_is_its_own_part():
    results = [np.zeros((40, 60, 3), np.uint8)] * 2
    assert most_different_crop(results, 160, 160, 4) == Box(0, 0, 60, 40)


def test_the_same_part_of_the_input_is_smaller():
    rng = np.random.default_rng(0)
    low = rng.integers(0, 256, (10, 12, 3), np.uint8)
    high = low.repeat(4, 0).repeat(4, 1)
    parts = crop_all({"LR": low, "m": high}, Box(8, 4, 16, 20), 4)
    assert parts["m"].shape == (20, 16, 3)
    assert np.array_equal(parts["LR"].repeat(4, 0).repeat(4, 1), parts["m"])


def test_pictures_are_in_order_and_on_eight_bits(tmp_path):
    for name, pixels in (("low", np.zeros((4, 4), np.uint8)), ("high", np.full((16, 16), 65535, np.uint16))):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    found = load_pictures(Case("c", tmp_path / "low.png", tmp_path / "high.png", None), {"m": tmp_path / "high.png"})
    assert list(found) == ["LR", "m", "HR"]
    assert found["m"].shape == (16, 16, 3)
    assert found["HR"].dtype == np.uint8
    assert found["HR"].min() == 255
