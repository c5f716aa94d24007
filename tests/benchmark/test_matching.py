from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimanga.benchmark.matching import match_results
from aimanga.errors import UsageError
from aimanga.evaluate import Case


def case(name, low=None):
    return Case(name, Path(low or f"{name}.png"), None, None)


def matched(folder, cases, *files):
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    return {name: path.relative_to(folder).as_posix() for name, path in match_results(cases, folder, 4, "mine").items()}


@pytest.mark.parametrize(
    "file", ["baby.png", "baby.jpg", "babyx4.png", "baby_x4.webp", "babyx4_out.png", "baby-SwinIR.png", "sub/baby.png"]
)
def test_programs_call_their_results_in_many_ways(tmp_path, file):
    assert matched(tmp_path, [case("baby", "LR/babyx4.png")], file) == {"baby": file}


def test_one_name_can_begin_another(tmp_path):
    cases = [case("img_1"), case("img_10"), case("img_1_2")]
    found = matched(tmp_path, cases, "img_1_out.png", "img_10_out.png", "img_1_2.png")
    assert found == {"img_1": "img_1_out.png", "img_10": "img_10_out.png", "img_1_2": "img_1_2.png"}
    assert matched(tmp_path / "b", [case("img_1")], "img_10.png") == {}


def test_the_exact_name_counts_more(tmp_path):
    assert matched(tmp_path, [case("a")], "a.png", "ax4.png", "a_out.png") == {"a": "a.png"}


def test_what_could_be_either_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"a: .*a\.jpg or .*a\.png"):
        matched(tmp_path, [case("a")], "a.png", "a.jpg")


def test_other_files_and_missing_folders_are_nothing(tmp_path):
    assert matched(tmp_path, [case("a")], "a.txt") == {}
    assert match_results([case("a")], tmp_path / "none", 4, "mine") == {}


@given(
    st.sets(st.from_regex(r"[a-z]{1,3}(_[0-9]{1,2})?", fullmatch=True), min_size=1, max_size=8),
    st.sampled_from(["", "x4"]),
)
def test_results_called_as_their_pictures_are_all_found(tmp_path_factory, names, suffix):
    folder = tmp_path_factory.mktemp("results")
    files = {name: f"{name}{suffix}.png" for name in names}
    assert matched(folder, [case(name) for name in sorted(names)], *files.values()) == files
