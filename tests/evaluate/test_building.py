import json
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import aimanga
from aimanga.degrade import degrade
from aimanga.degrade.steps import Sample
from aimanga.errors import UsageError
from aimanga.evaluate import BuildOptions, build_test_set, plan_test_set, read_test_set, verify_test_set
from aimanga.evaluate.building import equal_shares
from aimanga.images import Picture, write
from aimanga.tensors import from_array, to_array


@pytest.fixture(scope="module")
def categories(tmp_path_factory):
    """Three categories of noise, of 5, 4 and 1 pictures, and some that cannot be used."""
    folder = tmp_path_factory.mktemp("categories")
    for category, count in (("animals", 5), ("human", 4), ("plants", 1)):
        (folder / category).mkdir()
        for n in range(count):
            pixels = np.random.default_rng(crc32(f"{category} {n}".encode())).integers(0, 256, (41, 50, 3), np.uint8)
            write(Picture(pixels), folder / category / f"{n}.png")
    (folder / "human" / "broken.jpg").write_bytes(b"nothing")
    write(Picture(np.zeros((3, 3, 3), np.uint8)), folder / "plants" / "tiny.png")
    (folder / "licenses.toml").write_text(
        '[pictures.animals]\nlicense = "CC0-1.0"\nsource = "https://example.org"\n'
        '[pictures."animals/3.png"]\nlicense = "CC-BY-4.0"\n'
    )
    return folder


@pytest.fixture(scope="module")
def built(categories, tmp_path_factory):
    output = tmp_path_factory.mktemp("built") / "set"
    assert build_test_set(categories, output, count=7, recipe="realesrgan", seed=3).count("done") == 7
    return output


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_categories_get_equal_shares(built):
    content = manifest(built)
    assert content["categories"] == {"animals": 3, "human": 3, "plants": 1}
    assert len(content["pictures"]) == 7
    assert (content["seed"], content["scale"], content["crop"]) == (3, 4, None)


def test_the_manifest_says_where_everything_is_from(built, categories):
    for entry in manifest(built)["pictures"]:
        assert (categories / entry["source"]).is_file()
        assert entry["source"].startswith(f"{entry['category']}/")
        expected = {"animals": "CC0-1.0"}.get(entry["category"])
        assert entry["license"] == ("CC-BY-4.0" if entry["source"] == "animals/3.png" else expected)


def test_a_picture_is_made_again_from_its_entry(built):
    for entry in manifest(built)["pictures"]:
        high = aimanga.read(built / entry["hr"]).pixels
        assert high.shape == (40, 48, 3)
        sample = Sample.model_validate({key: entry[key] for key in ("seed", "steps")})
        low = to_array(degrade(from_array(high), [sample]), np.uint8)
        assert np.array_equal(aimanga.read(built / entry["lr"]).pixels, low)


def test_the_same_again_gives_the_same_bytes(built, categories, tmp_path):
    build_test_set(categories, tmp_path / "again", count=7, recipe="realesrgan", seed=3)
    assert contents(tmp_path / "again") == contents(built)


def test_another_seed_chooses_others(built, categories, tmp_path):
    chosen = {entry["source"] for entry in manifest(built)["pictures"]}
    others = [
        plan_test_set(categories, tmp_path, BuildOptions(count=7, recipe="realesrgan", seed=seed))
        for seed in range(4, 8)
    ]
    assert any({job.source.relative_to(categories).as_posix() for job in p.pairs.jobs} != chosen for p in others)


def test_it_is_read_as_a_test_set(built):
    found = read_test_set(built)
    assert (found.layout, found.scale, len(found.cases)) == ("aimanga", 4, 7)
    assert {case.category for case in found.cases} == {"animals", "human", "plants"}
    assert all(case.low.is_file() and case.high.is_file() for case in found.cases)
    assert all(case.name.startswith(f"{case.category}_") for case in found.cases)


def test_what_differs_from_the_manifest_is_found(built, tmp_path):
    for name, content in contents(built).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert verify_test_set(tmp_path) == ()
    one, two, _ = sorted(path for path in contents(tmp_path) if path.startswith("LR/animals"))
    (tmp_path / one).unlink()
    (tmp_path / two).write_bytes(b"another")
    (tmp_path / "HR" / "more.png").write_bytes(b"x")
    problems = verify_test_set(tmp_path)
    assert problems[0] == f"{one} is missing"
    assert problems[1].startswith(f"{two} has changed")
    assert problems[2] == "HR/more.png is not part of the set"
    with pytest.raises(UsageError, match="no manifest of a test set"):
        verify_test_set(tmp_path / "HR")


def test_another_set_is_not_mixed_in(built, categories):
    before = contents(built)
    with pytest.raises(UsageError, match="this folder holds a test set of other pictures"):
        build_test_set(categories, built, count=5, recipe="realesrgan", seed=3)
    with pytest.raises(UsageError, match="was made with another recipe, seed or crop"):
        build_test_set(categories, built, count=7, recipe="bicubic", seed=3)
    assert contents(built) == before


def test_finished_pictures_are_not_made_again(built, categories):
    assert build_test_set(categories, built, count=7, recipe="realesrgan", seed=3).count("skipped") == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 11}, "--count 11: only 10 pictures can be used: animals 5, human 4, plants 1"),
        ({"count": 0}, "--count 0: Input should be greater than or equal to 1"),
        ({"crop": 30}, "--crop 30: the side of a crop is a multiple of the scale 4"),
        ({"recipe": "nice"}, "nice: no such file"),
        ({"crop": 64}, "only 0 pictures can be used"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_done(categories, tmp_path, arguments, message):
    with pytest.raises(UsageError) as caught:
        build_test_set(categories, tmp_path / "set", **{"count": 3, **arguments})
    assert message in str(caught.value)
    assert not (tmp_path / "set").exists()


def test_pictures_outside_of_a_category_are_named(tmp_path):
    (tmp_path / "in").mkdir()
    write(Picture(np.zeros((8, 8, 3), np.uint8)), tmp_path / "in" / "x.png")
    with pytest.raises(UsageError, match=r"each category has a folder of its own; outside are x\.png"):
        build_test_set(tmp_path / "in", tmp_path / "set", count=1)
    with pytest.raises(UsageError, match="there is no such folder"):
        build_test_set(tmp_path / "gone", tmp_path / "set", count=1)


def test_pictures_that_cannot_be_used_are_skipped(categories, tmp_path):
    planned = plan_test_set(categories, tmp_path / "set", BuildOptions(count=3, recipe="bicubic"))
    assert len(planned.unusable) == 2
    assert any("broken.jpg" in problem for problem in planned.unusable)
    assert any("tiny.png: 3 x 3 is smaller than 4" in problem for problem in planned.unusable)


def test_crops(categories, tmp_path):
    build_test_set(categories, tmp_path / "set", count=3, recipe="bicubic", crop=16)
    for entry in manifest(tmp_path / "set")["pictures"]:
        assert entry["box"][2:] == [16, 16]
        assert aimanga.read(tmp_path / "set" / entry["hr"]).pixels.shape[:2] == (16, 16)
        assert aimanga.read(tmp_path / "set" / entry["lr"]).pixels.shape[:2] == (4, 4)


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 30), max_size=8), st.integers(1, 150))
def test_shares_are_even_as_far_as_pictures_go(there, count):
    there = dict(sorted(there.items()))
    shares = equal_shares(there, count)
    assert sum(shares.values()) == min(count, sum(there.values()))
    assert all(shares[name] <= number for name, number in there.items())
    # Who gets less than another by more than one has no more to give.
    most = max(shares.values(), default=0)
    assert all(shares[name] == number for name, number in there.items() if shares[name] < most - 1)
