import json
from dataclasses import replace

import numpy as np
import pytest

from aimanga.errors import UsageError
from aimanga.images import Box, Picture, write
from aimanga.train.check import check
from aimanga.train.sources import Item, PictureSet, find_sets
from tests.train.conftest import noise
from tests.watchers import Counting


@pytest.fixture
def checked(tmp_path):
    def run(file, sets=None, scale=4, watcher=None):
        found = find_sets(file, scale) if sets is None else sets
        return check(file, found, scale, tmp_path / "run.jsonl", watcher=watcher)

    return run


def stems(data):
    return [[item.file.stem for item in found.items] for found in data.sets]


def test_good_pictures_are_kept_and_every_item_has_a_box(photos, read_recipe, checked):
    photos("a", ["x", "y", "z"], 50, 40)
    data = checked(read_recipe('path = "a"'))
    assert stems(data) == [["x", "y", "z"]]
    assert {item.box for item in data.sets[0].items} == {Box(0, 0, 50, 40)}
    assert (data.pictures, data.held_out, data.problems) == (3, (), ())


def test_all_problems_are_named_at_once(photos, read_recipe, checked, tmp_path):
    folder = photos("a", ["x", "y"])
    photos("a", ["tiny"], 48, 31)
    (folder / "broken.png").write_bytes((folder / "x.png").read_bytes()[:3000])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "z.png").write_bytes((folder / "x.png").read_bytes())
    photos("low", ["x", "y"], 11, 12)
    file = read_recipe('path = "a"', 'path = "a/x.png"')
    with pytest.raises(UsageError) as caught:
        checked(file)
    message = str(caught.value)
    for part in (
        "line 5, data.sources: ", "2 unreadable: ", "broken.png", "empty.jpg", "1 too small: ",
        "tiny.png has 48 x 31 pixels, a crop has 32", "2 duplicates: ", "z.png is a copy of ", "data.problems=skip",
    ):  # fmt: skip
        assert part in message
    listed = (tmp_path / "data-problems.txt").read_text().splitlines()
    assert len(listed) == 5
    assert str(tmp_path / "data-problems.txt") in message


def test_of_many_problems_some_are_named_and_all_are_listed(photos, read_recipe, checked, tmp_path):
    photos("a", ["x", "y"])
    photos("a", [f"tiny{n}" for n in range(15)], 20, 20)
    with pytest.raises(UsageError, match=r"15 too small: .* and 5 more"):
        checked(read_recipe('path = "a"'))
    assert len((tmp_path / "data-problems.txt").read_text().splitlines()) == 15


def test_they_can_be_left_out(photos, read_recipe, checked):
    folder = photos("a", ["x", "y"])
    photos("a", ["tiny"], 20, 20)
    (folder / "z.png").write_bytes((folder / "x.png").read_bytes())
    data = checked(read_recipe('path = "a"', settings=["data.problems=skip"]))
    assert stems(data) == [["x", "y"]]
    assert len(data.problems) == 2
    with pytest.raises(UsageError, match="no picture is left to train on"):
        checked(read_recipe('path = "a"', settings=["data.problems=skip", "data.crop=64"]))


def test_pairs_have_to_fit(photos, read_recipe, checked):
    photos("a", ["x", "y", "z"])
    photos("low", ["x", "y"], 12, 12)
    photos("low", ["z"], 13, 12)
    file = read_recipe('path = "a"\nlr = "low"')
    with pytest.raises(UsageError, match=r"1 not a pair: .*z\.png has 13 x 12 pixels, .*48 x 48, at scale 4"):
        checked(file)


def test_one_picture_may_have_several_of_low_resolution(photos, read_recipe, checked, tmp_path):
    high = photos("a", ["x"]) / "x.png"
    low = photos("low", ["x", "y"], 12, 12)
    items = tuple(Item(high, None, low / f"{name}.png", "x") for name in ("x", "y"))
    assert checked(read_recipe('path = "a"'), [PictureSet(items, 1.0, "")]).pictures == 2
    with pytest.raises(UsageError, match="1 duplicates"):
        checked(read_recipe('path = "a"'), [PictureSet((items[0], replace(items[0])), 1.0, "")])


def test_places_in_one_picture_are_no_copies_but_have_to_lie_in_it(photos, read_recipe, checked):
    path = photos("a", ["x"], 80, 48) / "x.png"
    boxes = [Box(0, 0, 40, 40), Box(40, 0, 40, 40), Box(50, 0, 40, 40), Box(0, 0, 31, 40)]
    sets = [PictureSet(tuple(Item(path, box, None, "x") for box in boxes), 1.0, "")]
    with pytest.raises(UsageError, match=r"1 changed: .*at 50, 0 has 80 x 48 pixels\. 1 too small"):
        checked(read_recipe('path = "a"'), sets)


def test_what_has_not_changed_is_not_read_again(photos, read_recipe, checked):
    folder = photos("a", ["x", "y"])
    file = read_recipe('path = "a"')
    first, second = Counting(), Counting()
    checked(file, watcher=first)
    assert first.done == ["x.png", "y.png"]
    write(Picture(noise(99)), folder / "y.png")
    checked(file, watcher=second)
    assert second.done == ["y.png"]


def test_a_batch_is_not_larger_than_the_data(photos, read_recipe, checked):
    photos("a", ["x", "y", "z"])
    with pytest.raises(UsageError, match="a batch of 2 is larger than the data: 1 picture, and 2 held out"):
        checked(read_recipe('path = "a"', settings=["validation.held_out=2"]))


def test_what_is_held_out_is_not_learnt_and_the_same_each_time(photos, read_recipe, checked, tmp_path):
    photos("a", [f"x{n}" for n in range(6)])
    photos("b", [f"y{n}" for n in range(6)])
    settings = ["validation.held_out=5"]
    data = checked(read_recipe('path = "a"', 'path = "b"', settings=settings))
    held = {item.file.stem for item in data.held_out}
    assert len(held) == 5
    assert held.isdisjoint(name for names in stems(data) for name in names)
    assert data.pictures == 7
    assert data.held_out == checked(read_recipe('path = "a"', 'path = "b"', settings=settings)).held_out
    other = checked(read_recipe('path = "a"', 'path = "b"', settings=[*settings, "train.seed=1"]))
    assert {item.file.stem for item in other.held_out} != held
    given = checked(read_recipe('path = "a"', settings=[*settings, "validation.pictures=b"]))
    assert given.held_out == ()


def test_no_part_of_a_photo_is_learnt_whose_other_part_is_held_out(photos, read_recipe, checked):
    folder = photos("a", [f"x{n}" for n in range(12)])
    paths = sorted(folder.iterdir())
    items = tuple(Item(path, None, None, f"photo {n // 3}") for n, path in enumerate(paths))
    data = checked(read_recipe('path = "a"', settings=["validation.held_out=2"]), [PictureSet(items, 1.0, "")])
    assert len({item.origin for item in data.held_out}) == len(data.held_out) == 2
    assert data.pictures == 6
    assert {item.origin for item in data.held_out}.isdisjoint(item.origin for item in data.sets[0].items)


def test_a_source_that_is_held_out_whole_is_left_out(photos, read_recipe, checked):
    photos("a", ["x", "y", "z"])
    sources = [f'path = "a/{name}.png"' for name in "xyz"]
    data = checked(read_recipe(*sources, settings=["validation.held_out=1"]))
    assert len(data.sets) == 2


def test_the_digest_is_of_what_is_seen(photos, read_recipe, checked, tmp_path):
    folder = photos("a", ["x", "y"])
    digest = checked(read_recipe('path = "a"')).digest
    assert len(digest) == 64
    (tmp_path / "elsewhere").mkdir()
    for path in folder.iterdir():
        (tmp_path / "elsewhere" / path.name).write_bytes(path.read_bytes())
    assert checked(read_recipe('path = "elsewhere"')).digest == digest
    assert checked(read_recipe('path = "a"\nweight = 2')).digest != digest
    write(Picture(noise(1)), folder / "y.png")
    assert checked(read_recipe('path = "a"')).digest != digest


def test_sixteen_bits_and_gray_are_seen_as_training_sees_them(read_recipe, checked, tmp_path):
    (tmp_path / "a").mkdir()
    gray = noise(5)[:, :, :1]
    write(Picture(gray), tmp_path / "a" / "gray.png")
    write(Picture(gray.repeat(3, 2)), tmp_path / "a" / "rgb.png")
    write(Picture(gray.astype(np.uint16) * 257), tmp_path / "a" / "deep.png")
    with pytest.raises(UsageError, match="2 duplicates"):
        checked(read_recipe('path = "a"'))


def test_the_journal_is_json(photos, read_recipe, checked, tmp_path):
    photos("a", ["x", "y"])
    checked(read_recipe('path = "a"'))
    lines = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert len(lines) == 2
