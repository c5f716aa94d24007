import itertools
import multiprocessing
from typing import NamedTuple

import numpy as np
import pytest
import torch

from aimanga.degrade import degrade, load_degradations
from aimanga.errors import PictureError, ResourceError
from aimanga.images import Box, Picture, write
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
        return Loader(data, file.recipe, load_degradations("realesrgan"), 4, rank=rank, ranks=ranks)

    return make


class Crop(NamedTuple):
    low: object
    high: object
    sample: object


def crops(loader, start, count):
    batches = loader.batches(start)
    found = [
        Crop(low.permute(1, 2, 0).numpy(), high.permute(1, 2, 0).numpy(), sample)
        for batch in itertools.islice(batches, count)
        for low, high, sample in zip(batch.low, batch.high, batch.samples, strict=True)
    ]
    batches.close()
    return found


def assert_same(one, other):
    assert len(one) == len(other) > 0
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a.high, b.high)
        assert np.array_equal(a.low, b.low)
        assert a.sample == b.sample


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


def test_workers_change_no_byte(loading, mixture):
    found = [crops(loading(*mixture, settings=[f"data.workers={workers}"]), 0, 3) for workers in (0, 1, 2)]
    assert_same(found[1], found[0])
    assert_same(found[2], found[0])


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
    loader.on_device = True  # nothing is degraded here
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


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_that_has_vanished_is_named(loading, photos, workers, tmp_path):
    folder = photos("a", ["x", "y"])
    loader = loading('path = "a"', settings=[f"data.workers={workers}"])
    (folder / "y.png").unlink()
    with pytest.raises((PictureError, OSError), match=r"y\.png"):
        crops(loader, 0, 4)


def test_a_worker_that_dies_is_told(loading, mixture):
    before = set(multiprocessing.active_children())
    batches = loading(*mixture, settings=["data.workers=1"]).batches(0)
    next(batches)
    (worker,) = set(multiprocessing.active_children()) - before
    worker.kill()
    with pytest.raises(ResourceError, match=r"a process that loads training data died .*data\.workers=1"):
        for _ in range(1000):
            next(batches)
    batches.close()


@pytest.mark.parametrize("on_device", [False, True])
def test_a_batch_becomes_pairs_of_tensors(loading, mixture, on_device):
    """Degraded by the workers or by the training's process: the same on one device."""
    loader = loading(*mixture, settings=["train.batch_size=5", "data.augment=false"])
    loader.on_device = on_device
    kinds = set()
    for batch in itertools.islice(loader.batches(0), 4):
        assert batch.finished != on_device
        low, high = to_tensors(batch, 32, CPU)
        assert (low.shape, high.shape) == ((5, 3, 8, 8), (5, 3, 32, 32))
        assert low.dtype == high.dtype == torch.float32
        assert torch.equal(high, batch.high / 255)
        for number, sample in enumerate(batch.samples):
            kinds.add(sample is None)
            part = slice(number, number + 1)
            assert torch.equal(low[part], high[part, :, ::4, ::4] if sample is None else degrade(high[part], [sample]))
    assert kinds == {True, False}


def test_what_is_cut_from_a_larger_crop_was_degraded_with_it(loading, mixture):
    settings = ["data.outer_crop=48", "train.batch_size=5"]
    whole = loading(*mixture, settings=["data.crop=48", "train.batch_size=5"])
    part = loading(*mixture, settings=settings)
    corners = set()
    for outer, inner in zip(itertools.islice(whole.batches(0), 6), part.batches(0), strict=False):
        assert inner.samples == outer.samples
        assert inner.high.shape[2:] == (32, 32)
        for number, (left, top) in enumerate(inner.corners):
            assert torch.equal(inner.low[number], outer.low[number, :, top : top + 8, left : left + 8])
            x, y = 4 * left, 4 * top
            assert torch.equal(inner.high[number], outer.high[number, :, y : y + 32, x : x + 32])
        corners |= set(inner.corners)
    assert {left for left, _ in corners} == {top for _, top in corners} == set(range(5))


def test_closing_it_ends_its_workers_without_a_word(loading, mixture, capfd):
    before = set(multiprocessing.active_children())
    batches = loading(*mixture, settings=["data.workers=1"]).batches(0)
    next(batches)
    workers = set(multiprocessing.active_children()) - before
    assert len(workers) == 1
    batches.close()
    assert not any(worker.is_alive() for worker in workers)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("on_device", "expected"), [(0.001, True), (0.3, False)])
def test_the_device_degrades_where_the_workers_would_hold_it_up(loading, mixture, monkeypatch, on_device, expected):
    """By a clock that says that two workers take 0.1 s for a batch each."""
    loader = loading(*mixture)
    loader._workers = 2
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    usual = module.finished

    def slow(batch, crop):
        now[0] += 0.2
        return usual(batch, crop)

    monkeypatch.setattr(module, "finished", slow)

    def fast(batch, crop, device):
        now[0] += on_device
        return torch.zeros(1), torch.zeros(1)

    monkeypatch.setattr(module, "to_tensors", fast)
    loader.choose(torch.device("cuda"))
    assert loader.on_device == expected
    loader.on_device = False
    loader.choose(CPU)
    assert not loader.on_device
