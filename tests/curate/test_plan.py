"""What is going to be measured, and what is refused before the work."""

import pytest

from aimanga.curate import CurateOptions, curate_files, plan_curation
from aimanga.errors import UsageError


@pytest.fixture
def folder(tmp_path):
    """Files that are called pictures: a plan reads none of them."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name in ("b.jpg", "a.png", "sub/a.png", "notes.txt"):
        (folder / name).write_bytes(name.encode())
    return folder


def names(inputs, output, **options):
    return [str(job.target) for job in plan_curation(inputs, output, CurateOptions(**options)).jobs]


def test_names_are_mirrored_and_sorted_whatever_the_order_of_the_inputs(folder, tmp_path):
    assert names(folder, tmp_path / "out", recursive=True) == ["a.png", "b.jpg", "sub/a.png"]
    for inputs in ([folder, folder / "sub"], [folder / "sub", folder]):
        assert names(inputs, tmp_path / "out", recursive=True) == ["a.png", "b.jpg", "sub/a.png"]
    plan = plan_curation(folder, tmp_path / "out", CurateOptions())
    assert (plan.ignored, plan.subfolders) == (1, 1)


def test_results_are_no_sources(folder):
    for output in (folder / "out", folder / "out.set"):
        for name in ("pictures/a.png", "crops/a.png_0_0_64.png"):
            (output / name).parent.mkdir(parents=True, exist_ok=True)
            (output / name).write_bytes(b"a result")
    (folder / "out" / "pictures" / "b.png").symlink_to(folder / "a.png")
    found = names(folder, folder / "out", recursive=True)
    assert [name for name in found if name.startswith("out/")] == []
    assert "out.set/pictures/a.png" in found  # the results of something else


def test_results_may_lie_around_their_sources(folder):
    assert names(folder / "a.png", folder) == ["a.png"]
    assert names(folder, folder.parent) == ["a.png", "b.jpg"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"keep": 0}, "--keep 0: at least one picture"),
        ({"keep": 1.5}, "--keep 1.5: a share is above 0 % and at most 100 %"),
        ({"keep": "150%"}, "--keep 150%: a share is above 0 % and at most 100 %"),
        ({"keep": float("nan")}, "--keep nan: "),
        ({"keep": "many"}, "--keep many: "),
        ({"crops": 0, "per_image": 0}, r"--crops 0: .*; --per-image 0: .*greater than or equal to 1"),
        ({"avoid_blur": True}, "--avoid-blur and --avoid-text need --crops"),
        ({"pictures": "symlink"}, "--pictures symlink: Input should be 'copy', 'link' or 'none'"),
        ({"jobs": 0}, "--jobs 0: "),
        ({"max_flatness": 2}, "--max-flatness 2: .*less than or equal to 1"),
    ],
)
def test_contradictions_are_refused(folder, tmp_path, options, problem):
    with pytest.raises(UsageError, match=problem):
        curate_files(folder, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_nothing_to_look_at(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no pictures found in .*empty"):
        plan_curation(tmp_path / "empty", tmp_path / "out", CurateOptions())
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="need a folder of their own"):
        plan_curation(folder, folder, CurateOptions())
    with pytest.raises(UsageError, match="need a folder, and this is a file"):
        plan_curation(folder, folder / "a.png", CurateOptions())


@pytest.mark.parametrize("way", ["itself", "link to it", "link in it"])
def test_sources_are_never_taken_for_results(tmp_path, way):
    photo = tmp_path / "out" / "pictures" / "a.png"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"a picture")
    given = photo.parent
    if way == "link to it":
        given = tmp_path / "photos"
        given.symlink_to(photo.parent)
    if way == "link in it":
        given = tmp_path / "photos"
        given.mkdir()
        (given / "b.png").write_bytes(b"another one")
        (given / "a.png").symlink_to(photo)
    with pytest.raises(UsageError, match="which curate removes; use another folder"):
        plan_curation(given, tmp_path / "out", CurateOptions(keep=1))


def test_a_manifest_that_is_none_is_said_before_the_work(folder, tmp_path):
    (tmp_path / "manifest.jsonl").write_text("{}\n")
    with pytest.raises(UsageError, match=r"manifest\.jsonl, line 1: not a line of a manifest: .*; move the file away"):
        plan_curation(folder, tmp_path, CurateOptions())
