import json
from pathlib import Path

import pytest

import aimanga
from aimanga.errors import UsageError
from aimanga.images import Box
from aimanga.train.sources import find_sets

PHOTOS = Path(__file__).parents[1] / "photos"


def test_a_folder_with_its_subfolders_and_a_single_file(photos, read_recipe, tmp_path):
    folder = photos("a", ["x", "y"])
    photos("a/deeper", ["z"])
    (folder / "notes.txt").write_text("no picture")
    sets = find_sets(read_recipe('path = "a"\nweight = 2', 'path = "a"\nrecursive = false', 'path = "a/x.png"'), 4)
    assert [[item.file.stem for item in found.items] for found in sets] == [["x", "y", "z"], ["x", "y"], ["x"]]
    assert [found.weight for found in sets] == [2, 1, 1]
    assert sets[0].where == f"{tmp_path / 'recipe.toml'}: line 6, data.sources.0.path"
    assert all(item.lr is item.box is None for item in sets[0].items)


@pytest.fixture(scope="module")
def curated(tmp_path_factory):
    """What `aimanga curate` makes of the tests' photos: copies, crops, and places of crops."""
    folder = tmp_path_factory.mktemp("curated")
    aimanga.curate_files(PHOTOS, folder / "copies", keep=2)
    aimanga.curate_files(PHOTOS, folder / "crops", keep=2, crops=256, per_image=2)
    aimanga.curate_files(PHOTOS, folder / "places", keep=2, crops=256, per_image=2, pictures="none")
    return folder


def kept(folder):
    lines = map(json.loads, (folder / "manifest.jsonl").read_text().splitlines())
    return [line for line in lines if line["kept"]]


def test_of_a_screening_what_was_kept_is_learnt(curated, read_recipe):
    [copies] = find_sets(read_recipe(f'path = "{curated / "copies"}"'), 4)
    assert [item.file for item in copies.items] == [
        curated / "copies" / line["output"] for line in kept(curated / "copies")
    ]
    assert all(item.file.is_file() for item in copies.items)


def test_of_crops_these_and_they_know_their_photo(curated, read_recipe):
    [crops] = find_sets(read_recipe(f'path = "{curated / "crops"}"'), 4)
    lines = kept(curated / "crops")
    assert [item.origin for item in crops.items] == [line["file"] for line in lines for _ in line["crops"]]
    assert all(aimanga.read(item.file).pixels.shape == (256, 256, 3) for item in crops.items)


def test_of_places_the_photos_with_these(curated, read_recipe):
    [places] = find_sets(read_recipe(f'path = "{curated / "places"}"'), 4)
    expected = [(line["file"], Box(*crop["box"])) for line in kept(curated / "places") for crop in line["crops"]]
    assert [(str(item.file), item.box) for item in places.items] == expected
    assert len(expected) >= 2


def test_stored_pairs_are_taken_as_they_are(photos, read_recipe, tmp_path):
    photos("a", ["x", "y"])
    aimanga.make_pairs(tmp_path / "a", tmp_path / "pairs", recipe="bicubic", per_image=2)
    [pairs] = find_sets(read_recipe('path = "pairs"'), 4)
    assert len(pairs.items) == 4
    for item in pairs.items:
        assert item.file.parent.name == "HR"
        assert item.lr.parent.name == "LR"
        assert item.file.name == item.lr.name
    assert {item.origin for item in pairs.items} == {str(tmp_path / "a" / name) for name in ("x.png", "y.png")}
    with pytest.raises(UsageError, match="the pairs stored there are of scale 4, the model is of 2"):
        find_sets(read_recipe('path = "pairs"'), 2)


def test_the_user_s_own_pairs_meet_by_their_names(photos, read_recipe):
    photos("high", ["x"])
    photos("high/deep", ["y"])
    photos("low", ["x"], 12, 12, "webp")
    low = photos("low/deep", ["y"], 12, 12)
    [found] = find_sets(read_recipe('path = "high"\nlr = "low"'), 4)
    assert [item.lr for item in found.items] == [low.parent / "x.webp", low / "y.png"]


def test_pictures_without_a_partner_are_named(photos, read_recipe):
    photos("high", ["x", "y"])
    photos("low", ["y", "z"], 12, 12)
    with pytest.raises(UsageError, match=r"x\.png has no partner in .*low; .*z\.png has no partner in .*high"):
        find_sets(read_recipe('path = "high"\nlr = "low"'), 4)


def test_all_sources_that_are_no_good_are_named_at_once(photos, read_recipe, tmp_path, curated):
    photos("a", ["x"])
    (tmp_path / "empty").mkdir()
    aimanga.make_pairs(tmp_path / "a", tmp_path / "pairs", recipe="bicubic")
    with pytest.raises(UsageError) as caught:
        find_sets(
            read_recipe('path = "gone"', 'path = "a"', 'path = "empty"', 'path = "pairs"\nlr = "a"',
                        f'path = "{curated / "copies"}"\nlr = "a"'), 4
        )  # fmt: skip
    message = str(caught.value)
    for part in (
        "line 6, data.sources.0.path: no such file or folder", "line 10, data.sources.2.path: no pictures found in",
        "pairs holds stored pairs already, so lr cannot name others", "copies holds curated pictures already",
    ):  # fmt: skip
        assert part in message
    assert "data.sources.1" not in message


def test_a_screening_that_kept_nothing_says_so(curated, read_recipe, tmp_path):
    lines = [json.loads(line) for line in (curated / "copies" / "manifest.jsonl").read_text().splitlines()]
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "manifest.jsonl").write_text(
        "".join(json.dumps(line | {"kept": False, "reasons": ["rank"], "why": ["x"]}) + "\n" for line in lines)
    )
    with pytest.raises(UsageError, match="aimanga curate kept nothing there"):
        find_sets(read_recipe('path = "none"'), 4)
