import itertools

import numpy as np
import pytest
import torch

from aimanga.degrade import degrade, load_degradation
from aimanga.errors import PictureError
from aimanga.images import Box, Picture, write
from aimanga.tensors import from_array
from aimanga.train import loader as module
from aimanga.train.check import check
from aimanga.train.loader import Loader, augmented, read_box, to_tensors
from aimanga.train.sources import find_sets
from tests.train.conftest import noise

CPU = torch.device("cpu")


@pytest.fixture
def loading(read_recipe, tmp_path):
    """A loader of a recipe's sources."""

    def make(*sources, settings=(), rank=0, ranks=1):
        file = read_recipe(*sources, settings=settings)
        data = check(file, find_sets(file, 4), 4, tmp_path / "run.jsonl")
        return Loader(data, file.recipe, load_degradation("realesrgan"), 4, rank=rank, ranks=ranks)

    return make


def crops(loader, start, count):
    batches = loader.batches(start)
    found = [crop for batch in itertools.islice(batches, count) for crop in batch]
    batches.close()
    return found


def assert_same(one, other):
    assert len(one) == len(other) > 0
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a.high, b.high)
        assert a.sample == b.sample
        assert (a.low is None) == (b.low is None)
        assert a.low is None or np.array_equal(a.low, b.low)


@pytest.fixture
def mixture(photos, tmp_path):
    """Pictures to be degraded, and stored pairs whose small pictures are every fourth sample of the large ones."""
    photos("a", ["x", "y", "z"], 60, 70)
    for name in "pq":
        high = noise(ord(name), 64, 48)
        for folder, pixels in (("high", high), ("low", high[::4, ::4])):
            (tmp_path / folder).mkdir(exist_ok=True)
            write(Picture(np.ascontiguousarray(pixels)), tmp_path / folder / f"{name}.png")
    return 'path = "a"', 'path = "high"\nlr = "low"\nweight = 2'


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_change_nothing(loading, mixture, workers):
    assert_same(crops(loading(*mixture, settings=[f"data.workers={workers}"]), 0, 6), crops(loading(*mixture), 0, 6))


def test_it_can_begin_anywhere(loading, mixture):
    loader = loading(*mixture)
    assert_same(crops(loader, 5, 3), crops(loader, 0, 8)[10:])


@pytest.mark.parametrize("ranks", [2, 4])
def test_processes_share_a_batch(loading, mixture, ranks):
    settings = ["train.batch_size=4"]
    parts = [crops(loading(*mixture, settings=settings, rank=rank, ranks=ranks), 3, 1) for rank in range(ranks)]
    assert_same(list(itertools.chain(*parts)), crops(loading(*mixture, settings=settings), 3, 1))


def test_the_size_of_the_batch_changes_no_sample(loading, mixture):
    assert_same(crops(loading(*mixture, settings=["train.batch_size=4"]), 0, 3), crops(loading(*mixture), 0, 6))


def test_stored_pairs_stay_aligned_however_they_are_augmented(loading, mixture, monkeypatch):
    found = crops(loading(mixture[1]), 0, 20)
    straight = crops(loading(mixture[1], settings=["data.augment=false"]), 0, 20)
    turns = set()
    for crop, plain in zip(found, straight, strict=True):
        assert plain.high[::4, ::4].tolist() == plain.low.tolist()
        turns |= {turn for turn in range(8) if np.array_equal(augmented(plain.high, turn), crop.high)}
        turn = next(turn for turn in range(8) if np.array_equal(augmented(plain.high, turn), crop.high))
        assert np.array_equal(augmented(plain.low, turn), crop.low)
    assert len(turns) == 8


def test_the_eight_ways_to_lay_a_crop_are_different():
    pixels = noise(0, 4, 4)
    assert len({augmented(pixels, turn).tobytes() for turn in range(8)}) == 8
    assert np.array_equal(augmented(pixels, 0), pixels)


def test_crops_come_from_everywhere_within_the_box(loading, photos, tmp_path):
    x, y = np.meshgrid(np.arange(64), np.arange(48))
    (tmp_path / "a").mkdir()
    write(Picture(np.dstack([x, y, 0 * x]).astype(np.uint8)), tmp_path / "a" / "x.png")
    loader = loading('path = "a/x.png"', settings=["data.augment=false", "train.batch_size=1"])
    corners = {tuple(crop.high[0, 0, :2].tolist()) for crop in crops(loader, 0, 1500)}
    assert {left for left, _ in corners} == set(range(33))
    assert {top for _, top in corners} == set(range(17))


def test_only_a_part_of_a_large_picture_is_read(loading, mixture, monkeypatch):
    whole = crops(loading(*mixture), 0, 5)
    monkeypatch.setattr(module, "_SMALL", 0)
    assert_same(crops(loading(*mixture), 0, 5), whole)


def test_a_box_is_that_part_of_the_picture(tmp_path):
    pixels = noise(0, 40, 700)
    write(Picture(pixels), tmp_path / "x.png")
    for box in (Box(3, 5, 20, 30), Box(0, 250, 40, 300), Box(39, 699, 1, 1)):
        assert np.array_equal(read_box(tmp_path / "x.png", box, max_pixels=10**6), box.of(pixels))
    with pytest.raises(PictureError, match="has become smaller"):
        read_box(tmp_path / "x.png", Box(30, 0, 20, 20), max_pixels=10**6)


def test_the_rest_of_a_broken_file_is_not_missed(tmp_path):
    write(Picture(noise(0, 40, 700)), tmp_path / "x.jpg")
    path = tmp_path / "x.jpg"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PictureError):
        read_box(path, Box(0, 690, 10, 10), max_pixels=10**6)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_picture_that_has_vanished_is_named(loading, photos, workers, tmp_path):
    folder = photos("a", ["x", "y"])
    loader = loading('path = "a"', settings=[f"data.workers={workers}"])
    (folder / "y.png").unlink()
    with pytest.raises((PictureError, OSError), match=r"y\.png"):
        crops(loader, 0, 4)


def test_a_batch_becomes_pairs_of_tensors(loading, mixture):
    found = crops(loading(*mixture), 0, 8)
    low, high = to_tensors(tuple(found), 4, CPU)
    assert (low.shape, high.shape) == ((16, 3, 8, 8), (16, 3, 32, 32))
    assert low.dtype == high.dtype == torch.float32
    kinds = set()
    for number, crop in enumerate(found):
        assert torch.equal(high[number : number + 1], from_array(np.ascontiguousarray(crop.high)))
        expected = (
            degrade(from_array(np.ascontiguousarray(crop.high)), [crop.sample])
            if crop.low is None
            else from_array(np.ascontiguousarray(crop.low))
        )
        assert torch.equal(low[number : number + 1], expected)
        kinds.add(crop.low is None)
    assert kinds == {True, False}


def test_closing_it_ends_its_threads(loading, mixture):
    import threading

    batches = loading(*mixture, settings=["data.workers=3"]).batches(0)
    next(batches)
    assert any(thread.name.startswith("loader") for thread in threading.enumerate())
    batches.close()
    assert not any(thread.name.startswith("loader") for thread in threading.enumerate())


def test_no_more_than_two_batches_are_read_ahead(loading, mixture, monkeypatch):
    loader = loading(*mixture, settings=["data.workers=4"])
    asked = []
    crop = loader.crop
    monkeypatch.setattr(loader, "crop", lambda number: asked.append(number) or crop(number))
    batches = loader.batches(0)
    for _ in range(3):
        next(batches)
    batches.close()
    assert max(asked) < 2 * 5
