import itertools

import pytest
import torch

from aimanga.degrade import load_degradations
from aimanga.errors import ResourceError
from aimanga.models import RRDBNet
from aimanga.models.catalog import LoadedModel
from aimanga.train.check import check
from aimanga.train.fabric import make_fabric
from aimanga.train.loader import Loader
from aimanga.train.networks import Networks
from aimanga.train.sources import find_sets
from aimanga.train.windows import Windows

SETTINGS = ["data.outer_crop=64", "data.augment=false", "stored.halo=2", "compute.precision=fp32"]


def small(blocks):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(blocks)
        return RRDBNet(features=4, blocks=blocks, growth=4)


@pytest.fixture
def storing(read_recipe, photos, tmp_path):
    """Windows of the crops of three photos, and what made them."""
    photos("a", ["x", "y", "z"], 80, 72)

    def make(*settings, teacher=None, rank=0, ranks=1):
        file = read_recipe('path = "a"', settings=[*SETTINGS, *settings])
        recipe = file.recipe
        data = check(file, find_sets(file, 4), 4, tmp_path / "run.jsonl")
        generator = small(3)
        if recipe.model.freeze:
            generator.freeze(recipe.model.freeze)
        networks = Networks(LoadedModel("start", generator, 4, 4, None, ""), generator, None, None, teacher)
        windows = Windows(tmp_path / "stored", recipe, networks, data.pictures, rank=rank, ranks=ranks)
        fabric, _, _ = make_fabric("cpu", recipe)
        degradation = load_degradations("realesrgan")
        whole = recipe.replaced(data=recipe.data.replaced(crop=64, outer_crop=None))
        crops = next(Loader(data, whole.replaced(train={"iterations": 1, "batch_size": 3}), degradation, 4).batches(0))
        return windows, generator, crops, lambda: list(windows.prepare(data, degradation, fabric, 0))

    return make


def place_of(part, wholes):
    """The number, top and left of the crop that holds a part."""
    side, (height, width) = part.shape[1], wholes.shape[2:]
    return next(
        (number, top, left)
        for number, top, left in itertools.product(
            range(len(wholes)), range(height - side + 1), range(width - side + 1)
        )
        if torch.equal(wholes[number, :, top : top + side, left : left + side], part)
    )


def test_windows_of_features_are_those_of_the_whole_crop_around_their_core(storing):
    windows, generator, crops, prepare = storing("model.freeze=2", "stored.pairs=3")
    assert prepare() == [0, 3]
    with torch.no_grad():
        features = generator.begin(crops.low.float() / 255, 2).bfloat16()
    found = set()
    for batch in itertools.islice(windows.batches(0), 8):
        assert (batch.low.shape, batch.low.dtype) == ((2, 8, 12, 12), torch.bfloat16)
        assert batch.high.shape == (2, 3, 32, 32)
        for low, high in zip(batch.low, batch.high, strict=True):
            number, top, left = place_of(low, features)
            y, x = 4 * (top + 2), 4 * (left + 2)
            assert torch.equal(high, crops.high[number, :, y : y + 32, x : x + 32])
            found.add((number, top, left))
    assert {number for number, _, _ in found} == {0, 1, 2}
    assert len(found) > 8


def test_a_teacher_writes_the_high_resolution(storing):
    teacher = small(1)
    windows, _, crops, prepare = storing("stored.pairs=3", teacher=teacher)
    prepare()
    with torch.no_grad():
        results = (teacher(crops.low.float() / 255).clamp(0, 1) * 255).round().byte()
    batch = next(windows.batches(0))
    for low, high in zip(batch.low, batch.high, strict=True):
        number, top, left = place_of(low, crops.low)
        y, x = 4 * (top + 2), 4 * (left + 2)
        assert torch.equal(high, results[number, :, y : y + 32, x : x + 32])


def test_an_epoch_has_each_crop_once_and_processes_share_a_batch(storing):
    windows, _, crops, prepare = storing("stored.pairs=3", "train.batch_size=2")
    prepare()
    batches = list(itertools.islice(windows.batches(0), 3))
    numbers = [place_of(low, crops.low)[0] for batch in batches for low in batch.low]
    assert sorted(numbers[:3]) == sorted(numbers[3:]) == [0, 1, 2]
    again = list(itertools.islice(windows.batches(1), 2))
    for one, other in zip(batches[1:], again, strict=True):
        assert torch.equal(one.low, other.low)
    for rank in (0, 1):
        part, _, _, _ = storing("stored.pairs=3", rank=rank, ranks=2)
        assert torch.equal(next(part.batches(0)).low[0], batches[0].low[rank])


def test_what_is_stored_is_used_again_and_anything_else_is_stored_anew(storing):
    assert storing("stored.pairs=6")[3]() == [0, 6]
    assert storing("stored.pairs=6")[3]() == [6]
    assert storing("stored.pairs=6", teacher=small(1))[3]() == [0, 6]
    assert storing("stored.pairs=6", "train.seed=3")[3]() == [0, 6]
    assert storing("stored.pairs=6", "train.lr=1")[3]() == [0, 6]  # of the first seed
    assert storing("stored.pairs=6", "train.lr=1")[3]() == [6]


def test_what_is_being_overwritten_does_not_count_any_more(storing):
    assert storing("stored.pairs=6")[3]() == [0, 6]
    windows, _, _, prepare = storing("stored.pairs=6", "train.seed=3")

    def interrupted(*arguments):
        raise KeyboardInterrupt

    windows._computed = interrupted
    with pytest.raises(KeyboardInterrupt):
        prepare()
    assert storing("stored.pairs=6")[3]() == [0, 6]


def test_the_room_on_the_disk_is_checked_first(storing, tmp_path):
    with pytest.raises(ResourceError, match=r"3 stored crops of 64 pixels take .* kB, more than stored\.disk allows"):
        storing("stored.disk=1e-6")[3]()
    assert not (tmp_path / "stored").exists()
