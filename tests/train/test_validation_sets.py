import numpy as np
import pytest
import torch

from aimanga.degrade import load_degradations
from aimanga.errors import UsageError
from aimanga.images import Picture, write
from aimanga.tensors import from_array
from aimanga.train.sources import find_sets
from aimanga.train.validation_sets import load_validation_sets
from tests.train.conftest import noise

CROP = "validation.crop=64"


@pytest.fixture
def load(read_recipe):
    """The validation sets of a recipe, with all pictures of its first source held out."""

    def run(*settings, source='path = "a"', degradation="realesrgan"):
        file = read_recipe(source, settings=[CROP, *settings])
        return load_validation_sets(file, find_sets(file, 4)[0].items, 4, load_degradations(degradation))

    return run


def test_the_damage_is_the_same_each_time_and_in_any_company(photos, load):
    photos("a", ["x", "y"], 96, 96)
    one, again = (load()["held_out"] for _ in range(2))
    alone = load(source='path = "a/y.png"')["held_out"]
    other = load("train.seed=1")["held_out"]
    for first, second in zip(one, again, strict=True):
        assert torch.equal(first.low, second.low)
        assert torch.equal(first.high, second.high)
    assert torch.equal(one[1].low, alone[0].low)
    assert not torch.equal(one[0].low, other[0].low)


def test_the_middle_is_looked_at_and_stored_pairs_stay_aligned(load, tmp_path):
    high = noise(0, 100, 92)
    for folder, pixels in (("a", high), ("low", high[::4, ::4])):
        (tmp_path / folder).mkdir()
        write(Picture(np.ascontiguousarray(pixels)), tmp_path / folder / "x.png")
    [example] = load(source='path = "a"\nlr = "low"')["held_out"]
    assert torch.equal(example.high[:, :, ::4, ::4], example.low)
    assert torch.equal(example.high, from_array(np.ascontiguousarray(high[12:76, 16:80])))


def test_a_picture_smaller_than_the_crop_is_taken_whole(photos, load):
    photos("a", ["x"], 51, 37)
    [example] = load()["held_out"]
    assert example.high.shape == (1, 3, 36, 48)


def test_all_that_cannot_be_read_is_named(photos, read_recipe, tmp_path):
    photos("a", ["x"])
    broken = photos("real", ["p"]) / "q.png"
    broken.write_bytes(b"nothing")
    settings = [CROP, f"validation.real={broken.parent}", f"validation.pictures={tmp_path / 'gone'}"]
    with pytest.raises(UsageError) as caught:
        load_validation_sets(read_recipe('path = "a"', settings=settings), [], 4, load_degradations("bicubic"))
    assert "--set validation.pictures: no such file or folder" in str(caught.value)
    assert "--set validation.real: " in str(caught.value)
    assert "q.png" in str(caught.value)
    with pytest.raises(UsageError, match=r"line \d+, validation\.held_out: there is no validation set"):
        load_validation_sets(read_recipe('path = "a"', settings=[CROP]), [], 4, load_degradations("bicubic"))
