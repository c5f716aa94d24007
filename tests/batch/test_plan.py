import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimanga.batch import find, plan
from aimanga.batch.plan import _name_results
from aimanga.errors import UsageError

SUFFIXES = {".png", ".jpg"}


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def planned(inputs, output, name=lambda source: f"{source.stem}.png", **options):
    found = plan(inputs, output, suffixes=SUFFIXES, result_name=name, **options)
    base = output if not output.suffix else output.parent
    return {str(job.target.relative_to(base)): job.source.name for job in found.jobs}, found


def test_a_folder_without_recursion(tmp_path):
    photos = make(tmp_path / "in", "b.png", "A.JPG", "notes.txt", ".DS_Store", "._b.png", "sub/c.png")
    names, found = planned([photos], tmp_path / "out")
    assert names == {"A.png": "A.JPG", "b.png": "b.png"}
    assert [job.source.name for job in found.jobs] == ["A.JPG", "b.png"]
    assert (found.ignored, found.subfolders) == (3, 1)


def test_recursion_mirrors_the_folders_and_leaves_the_results_out(tmp_path):
    photos = make(tmp_path / "in", "a.png", "x/a.png", "x/y/b.jpg", "out/old.png", ".hidden/c.png")
    names, found = planned([photos], photos / "out", recursive=True)
    assert names == {"a.png": "a.png", "x/a.png": "a.png", "x/y/b.png": "b.jpg"}
    assert (found.ignored, found.subfolders) == (0, 0)


def test_a_single_file_into_a_file_or_a_folder(tmp_path):
    make(tmp_path, "a.jpg")
    assert planned([tmp_path / "a.jpg"], tmp_path / "b.png")[0] == {"b.png": "a.jpg"}
    assert planned([tmp_path / "a.jpg"], tmp_path / "out")[0] == {"a.png": "a.jpg"}
    (tmp_path / "folder.png").mkdir()
    found = plan([tmp_path / "a.jpg"], tmp_path / "folder.png", suffixes=SUFFIXES, result_name=lambda s: "r.png")
    assert found.jobs[0].target == tmp_path / "folder.png" / "r.png"


def test_a_named_file_is_taken_whatever_its_suffix(tmp_path):
    make(tmp_path, "photo", ".hidden.png")
    assert planned([tmp_path / "photo", tmp_path / ".hidden.png"], tmp_path / "out")[0] == {
        "photo.png": "photo", ".hidden.png": ".hidden.png",
    }  # fmt: skip


def test_colliding_names_keep_their_old_suffix(tmp_path):
    photos = make(tmp_path / "in", "a.png", "a.jpg", "b.jpg")
    assert planned([photos], tmp_path / "out")[0] == {"a.jpg.png": "a.jpg", "a.png": "a.png", "b.png": "b.jpg"}


def test_sources_of_several_folders_that_collide_are_refused(tmp_path):
    first, second = make(tmp_path / "1", "a.png"), make(tmp_path / "2", "a.png")
    with pytest.raises(UsageError, match=r"1/a\.png and .*2/a\.png would both become .*out/a\.png"):
        planned([first, second], tmp_path / "out")


def test_results_of_a_former_run_beside_their_sources_are_no_sources(tmp_path):
    photos = make(tmp_path / "in", "a.png", "sub/b.png")
    for _ in range(2):
        names, _ = planned([photos], photos, lambda source: f"{source.stem}_x4.png", recursive=True)
        assert names == {"a_x4.png": "a.png", "sub/b_x4.png": "b.png"}
        make(photos, *names)


def test_results_beside_their_sources_under_the_same_stem_are_refused(tmp_path):
    """On a rerun nobody could tell a.png, the result of a.jpg, from a source."""
    with pytest.raises(UsageError, match="--suffix"):
        planned([make(tmp_path / "in", "a.jpg")], tmp_path / "in")


def test_what_is_no_file_is_no_picture(tmp_path):
    photos = make(tmp_path / "in", "a.png")
    os.mkfifo(photos / "pipe.png")
    (photos / "folder.png").mkdir()
    assert planned([photos], tmp_path / "out")[0] == {"a.png": "a.png"}


def test_a_link_and_what_it_leads_to_are_two_pictures(tmp_path):
    photos = make(tmp_path / "in", "a.png")
    (photos / "b.png").symlink_to(photos / "a.png")
    assert planned([photos], tmp_path / "out")[0] == {"a.png": "a.png", "b.png": "b.png"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_refused(tmp_path):
    photos = make(tmp_path / "in", "a.png", "sub/b.png")
    (photos / "sub").chmod(0)
    with pytest.raises(UsageError, match="sub: this folder cannot be read"):
        planned([photos], tmp_path / "out", recursive=True)


def test_case_alone_does_not_tell_results_apart(tmp_path):
    photos = make(tmp_path / "in", "A.png", "a.png")
    assert planned([photos], tmp_path / "out")[0] == {"A.png": "A.png", "a-2.png": "a.png"}


def test_a_file_given_twice_is_one_job(tmp_path):
    photos = make(tmp_path / "in", "a.png")
    assert (
        len(plan([photos / "a.png", photos], tmp_path / "o", suffixes=SUFFIXES, result_name=lambda s: s.name).jobs) == 1
    )


@given(st.lists(st.tuples(st.sampled_from("abAB"), st.sampled_from([".png", ".jpg", ".PNG", ".gif"]))))
def test_no_two_results_share_a_name_and_the_order_of_files_alone_decides(files):
    entries = [(Path(f"{stem}{suffix}"), Path()) for stem, suffix in files]
    jobs = _name_results(entries, Path("out"), lambda source: f"{source.stem}.png")
    assert [job.source for job in jobs] == [file for file, _ in entries]
    names = [str(job.target).casefold() for job in jobs]
    assert len(set(names)) == len(names)
    assert jobs == _name_results(entries, Path("out"), lambda source: f"{source.stem}.png")


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        (["no.png"], "out", "no such file or folder: .*no.png"),
        (["empty"], "out", "no pictures found"),
        (["nested"], "out", r"no pictures found.*--recursive"),
        (["full"], "full", "would replace the source"),
        (["full/a.png"], "full/a.png", "would replace the source"),
        (["full"], "file.txt", "several results need a folder"),
    ],
)
def test_impossible_requests_are_refused(tmp_path, inputs, output, message):
    make(tmp_path, "full/a.png", "nested/x/a.png", "file.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=message):
        plan([tmp_path / name for name in inputs], tmp_path / output, suffixes=SUFFIXES, result_name=lambda s: s.name)


def test_links_to_folders_are_not_followed(tmp_path):
    photos = make(tmp_path / "in", "a.png")
    (photos / "loop").symlink_to(photos)
    assert planned([photos], tmp_path / "out", recursive=True)[0] == {"a.png": "a.png"}


def test_finding_alone_takes_the_same_files(tmp_path):
    for name in ("b.png", "a.JPG", "notes.txt", ".hidden.png", "sub/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    suffixes = {".png", ".jpg"}
    assert find([tmp_path], suffixes=suffixes) == (tmp_path / "a.JPG", tmp_path / "b.png")
    assert find([tmp_path], suffixes=suffixes, recursive=True)[2:] == (tmp_path / "sub" / "c.png",)
    with pytest.raises(UsageError, match="no such file or folder"):
        find([tmp_path / "missing"], suffixes=suffixes)
    with pytest.raises(UsageError, match=r"no pictures found in .* \(--recursive enters subfolders\)"):
        find([tmp_path], suffixes={".gif"})
