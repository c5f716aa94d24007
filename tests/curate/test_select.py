"""Selection: thresholds, then copies, then scenes, then the best."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimanga.curate.crops import Crop
from aimanga.curate.manifest import ManifestEntry, Reason
from aimanga.curate.screening import Screening
from aimanga.curate.select import select
from aimanga.errors import UsageError
from aimanga.images import Box
from tests.curate.test_screening import NUMBERS


def candidate(name, detail=20.0, group=None, scene=None, size=(800, 600), **numbers):
    measures = replace(NUMBERS, detail=detail, width=size[0], height=size[1], **numbers)
    return ManifestEntry(f"/{name}", name, *size, measures=measures, group=group, scene=scene)


def reasons(candidates, keep=None, **thresholds):
    selected = select(candidates, Screening(**thresholds), keep)
    assert [entry.name for entry in selected] == [entry.name for entry in candidates]
    return {entry.name: [reason.name for reason in entry.reasons] for entry in selected}


def test_all_thresholds_that_a_picture_is_beyond_are_named():
    pictures = [candidate("good"), candidate("bad", detail=2, noise=9.0, size=(100, 2000))]
    assert reasons(pictures) == {"good": [], "bad": ["side", "detail", "noise"]}
    words = [reason.words for reason in select(pictures, Screening())[1].reasons]
    assert words == ["side 100 is below 256", "detail 2 is below 8", "noise 9 is above 4"]


def test_too_small_to_be_measured():
    found = select([ManifestEntry("/icon", "icon", 32, 16)], Screening())
    assert [reason.words for reason in found[0].reasons] == ["32 x 16 is too small to be measured"]


def test_of_copies_the_one_with_the_most_pixels_stays():
    pictures = [
        candidate("half", detail=40, group=3, size=(400, 300)),
        candidate("blocky", group=3, blockiness=0.4),
        candidate("original", group=3),
        candidate("enlarged", group=3, size=(1600, 1200), sharpness=-6.0),
        candidate("other", group=4),
    ]
    found = reasons(pictures)
    assert found == {
        "half": ["duplicate"], "blocky": ["duplicate"], "original": [], "enlarged": ["sharpness"], "other": [],
    }  # fmt: skip
    assert select(pictures, Screening())[0].reasons[0].words == "the same as original"


def test_where_the_best_copy_fails_another_one_stays():
    pictures = [candidate("large", group=1, size=(1600, 1200), noise=9.0), candidate("small", group=1)]
    assert reasons(pictures) == {"large": ["noise"], "small": []}


def test_of_a_scene_the_best_ones_stay():
    pictures = [candidate(f"{n}", detail=10 + n, scene=7) for n in range(5)] + [candidate("else", detail=9)]
    found = reasons(pictures, per_scene=2)
    assert [name for name, why in found.items() if not why] == ["3", "4", "else"]
    assert found["0"] == ["scene"]


def test_the_best_are_kept():
    pictures = [candidate(f"{n}", detail=10 + n) for n in range(6)]
    pictures.append(candidate("flat", detail=28, flatness=0.6))  # more than half of it is sky
    assert [name for name, why in reasons(pictures, 3).items() if not why] == ["3", "4", "5"]
    assert reasons(pictures, 3)["flat"] == ["rank"]
    assert sum(not why for why in reasons(pictures, 0.5).values()) == 4  # half of 7, to the even


def test_a_share_is_never_none_at_all():
    pictures = [candidate(f"{n}", detail=10 + n) for n in range(3)]
    assert sum(not why for why in reasons(pictures, 0.01).values()) == 1
    assert sum(not why for why in reasons([candidate(f"{n}") for n in range(100)], 0.55).values()) == 55


def test_pictures_without_a_crop_are_rejected_where_crops_are_wanted():
    pictures = [candidate("a", noise=9.0), replace(candidate("b"), crops=(Crop(Box(0, 0, 64, 64), 9.0),))]
    found = [[reason.words for reason in entry.reasons] for entry in select(pictures, Screening(), crop=64)]
    assert found == [["no crop of 64 pixels fits", "noise 9 is above 4"], []]


def test_unreadable_pictures_stay_as_they_are_and_are_not_counted():
    unreadable = ManifestEntry("/c", "c", reasons=(Reason("unreadable", "c: no picture"),))
    assert select([unreadable, candidate("a")], Screening(), 1)[0] == unreadable
    with pytest.raises(UsageError, match="only 1 of 1 pass"):
        select([unreadable, candidate("a")], Screening(), 2)


def test_equals_are_decided_by_name():
    pictures = [candidate(name) for name in "dbca"]
    assert [name for name, why in reasons(pictures, 2).items() if not why] == ["b", "a"]


def test_fewer_than_wanted():
    pictures = [candidate("a"), candidate("b", noise=9.0), candidate("c", noise=9.0, detail=1.0)]
    with pytest.raises(
        UsageError,
        match=r"--keep 2: only 1 of 3 pass \(noise 2, detail 1\); keep fewer, or relax the thresh",
    ):
        select(pictures, Screening(), 2)
    assert select([], Screening()) == []


@given(st.permutations(range(8)), st.integers(1, 4))
def test_the_order_changes_nothing(order, keep):
    pictures = [
        candidate(f"{n}", detail=9 + n % 4, group=n // 3 if n < 6 else None, scene=n % 2 if n > 3 else None)
        for n in range(8)
    ]
    assert reasons([pictures[n] for n in order], min(keep, 3)) == reasons(pictures, min(keep, 3))
