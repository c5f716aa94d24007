import io
from collections import Counter
from functools import cache

import numpy as np
import pytest
from PIL import Image

from aimanga.curate.duplicates import SIDE, find_groups
from tests.conftest import ROOT


@cache
def photos():
    """Three animals and nine crops of a reef that do not overlap."""
    animals = [Image.open(ROOT / "samples" / f"{name}.jpg").convert("RGB") for name in ("lionfish", "owl", "parrot")]
    reef = Image.open(ROOT / "benchmarks" / "reef.jpg").convert("RGB")
    side = reef.width // 2
    boxes = [(x * side, y * side, (x + 1) * side, (y + 1) * side) for y in range(reef.height // side) for x in (0, 1)]
    return *animals, *(reef.crop(box) for box in boxes[:9])


def thumbnail(image):
    levels = Image.fromarray(np.asarray(image.convert("L"), np.float32))
    return np.asarray(levels.resize((SIDE, SIDE), Image.Resampling.BOX)).round().astype(np.uint8)


def thumbnails(images):
    return np.stack([thumbnail(image) for image in images])


def resized(image, factor):
    return image.resize([round(side * factor) for side in image.size], Image.Resampling.BICUBIC)


def compressed(image, quality):
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=quality)
    return Image.open(encoded)


def cropped(image, left=0.0, top=0.0, right=0.0, bottom=0.0):
    """Without these shares of its sides."""
    width, height = image.size
    edges = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    return image.crop([round(edge) for edge in edges])


def toned(image, gamma, gain):
    levels = (np.asarray(image) / 255) ** gamma * gain
    return Image.fromarray((255 * levels).round().clip(0, 255).astype(np.uint8))


COPIES = {
    "smaller": lambda image: resized(image, 0.4),
    "larger": lambda image: resized(image, 1.7),
    "compressed": lambda image: compressed(image, 30),
    "cropped at a corner": lambda image: cropped(image, left=0.1, top=0.1),
    "cropped all around": lambda image: cropped(image, 0.1, 0.1, 0.1, 0.1),
    "brighter": lambda image: toned(image, 0.8, 1.1),
    "darker": lambda image: toned(image, 1.25, 0.85),
    "gray": lambda image: image.convert("L"),
    "all of it": lambda image: compressed(resized(toned(cropped(image, 0.08, 0, 0.03, 0.06), 1.1, 0.9), 0.6), 50),
}


def numbers_of(groups, name="group"):
    return [group[name] for group in groups]


def partition(keys, groups, name):
    """The groups as sets of keys, whatever their numbers."""
    members = {}
    for key, group in zip(keys, groups, strict=True):
        if group[name] is not None:
            members.setdefault(group[name], []).append(key)
    return sorted(sorted(keys) for keys in members.values())


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_a_copy_is_found_and_no_other_photo(make):
    groups = find_groups(thumbnails([*photos(), *map(make, photos())]))
    assert numbers_of(groups) == [*range(len(photos()))] * 2
    assert numbers_of(groups, "scene") == [*range(len(photos()))] * 2


def test_two_crops_find_each_other_without_the_whole():
    one, other = ([cropped(photo, *margins) for photo in photos()] for margins in ((0.1, 0, 0, 0.1), (0, 0.1, 0.05, 0)))
    assert numbers_of(find_groups(thumbnails([*one, *other]))) == [*range(len(photos()))] * 2


def test_different_photos_have_no_group():
    assert find_groups(thumbnails(photos())) == [{"group": None, "scene": None}] * len(photos())


def test_shots_that_moved_far_are_a_scene_and_no_copies():
    shots = [cropped(photo, left=0.15) for photo in photos()], [cropped(photo, right=0.15) for photo in photos()]
    groups = find_groups(thumbnails([*shots[0], *shots[1]]))
    assert numbers_of(groups) == [None] * 2 * len(photos())
    assert numbers_of(groups, "scene") == [*range(len(photos()))] * 2


def test_a_chain_of_shots_does_not_become_one_scene():
    # The camera pans along the reef. Each shot is like the next, but the last shows nothing of the first.
    reef = Image.open(ROOT / "benchmarks" / "reef.jpg")
    shots = thumbnails([reef.crop((0, top, 450, top + 450)) for top in range(0, 901, 80)])
    scenes = numbers_of(find_groups(shots), "scene")
    assert scenes[0] != scenes[-1]
    assert max(Counter(scene for scene in scenes if scene is not None).values()) == 3


def test_the_order_changes_nothing_but_the_numbers():
    images = [*photos(), *map(COPIES["all of it"], photos()), *(cropped(photo, right=0.15) for photo in photos())]
    pictures = thumbnails(images)
    found = find_groups(pictures)
    expected = {name: partition(range(len(pictures)), found, name) for name in ("group", "scene")}
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(pictures))
        groups = find_groups(pictures[order])
        assert {name: partition(order.tolist(), groups, name) for name in ("group", "scene")} == expected


def test_numbers_come_in_the_order_of_the_pictures():
    owl, parrot = thumbnails(photos()[1:3])
    assert numbers_of(find_groups(np.stack([parrot, owl, owl, parrot]))) == [0, 1, 1, 0]


def test_more_copies_than_one_has_neighbours_are_one_group():
    # Two crowds: within each the copies are so alike that they find nothing of the other.
    photo = photos()[2]
    crowds = thumbnails([resized(photo, 2), cropped(resized(photo, 2), 0.1, 0.1, 0.1, 0.1)])
    noise = np.random.default_rng(0).integers(-1, 2, (2, 60, SIDE, SIDE))
    copies = (crowds[:, None] + noise).clip(0, 255).astype(np.uint8).reshape(-1, SIDE, SIDE)
    groups = find_groups(np.concatenate([copies, thumbnails(photos()[:2])]))
    assert numbers_of(groups) == [0] * len(copies) + [None, None]


def test_plain_pictures_are_alike_only_where_they_are_the_same():
    plain = np.broadcast_to(np.array([0, 90, 90, 95, 255], np.uint8)[:, None, None], (5, SIDE, SIDE))
    groups = find_groups(np.concatenate([plain, thumbnails(photos())]))
    assert numbers_of(groups) == [None, 0, 0, None, None] + [None] * len(photos())
    assert numbers_of(groups, "scene") == [None, 0, 0, None, None] + [None] * len(photos())


def test_skies_that_fade_alike_are_no_copies():
    down, across = np.mgrid[:SIDE, :SIDE]
    skies = np.stack([200 - 1.6 * down - 0.7 * across, 150 - 1.1 * down - 0.9 * across, 240 - 1.3 * down - across])
    assert numbers_of(find_groups(skies.round().astype(np.uint8))) == [None] * 3


def test_faint_noise_on_a_plain_picture_leaves_it_a_copy():
    noise = np.random.default_rng(0).random((2, SIDE, SIDE)) < 0.2
    assert numbers_of(find_groups((128 + noise).astype(np.uint8))) == [0, 0]


def test_no_picture_and_one_picture():
    assert find_groups(np.empty((0, SIDE, SIDE), np.uint8)) == []
    assert find_groups(thumbnails(photos()[:1])) == [{"group": None, "scene": None}]
