"""The verb: twice, interrupted, with bad input."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aimanga.batch import journal
from aimanga.curate import curate_files, read_manifest
from aimanga.curate.files import JOURNAL
from aimanga.errors import ResourceError, UsageError
from tests.curate.pictures import blurred, jpeg, photos
from tests.watchers import Interrupting

NAMES = ("books", "cat", "chameleon", "dog", "gamepad", "sunflower")


def save(pixels, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six photos, a copy of one, a blurred one, a small one, one that is no picture."""
    folder = tmp_path_factory.mktemp("photos") / "汉字 [1]"
    for name, pixels in zip(NAMES, photos(), strict=True):
        save(pixels, folder / f"{name}.png")
    save(jpeg(photos()[3], 60)[16:, :-12], folder / "sub" / "dog again.png")
    save(blurred(photos()[1], 4), folder / "sub" / "soft.png")
    save(photos()[0][:100, :100], folder / "icon.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no picture either")
    return folder


def curate(folder, output, **options):
    return curate_files(folder, output, recursive=True, **options)


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("curated") / "out"
    return output, curate(folder, output)


def files_in(output, below):
    return {path.relative_to(output / below).as_posix() for path in (output / below).rglob("*") if path.is_file()}


def why(output):
    return {line.name: [reason.name for reason in line.reasons] for line in read_manifest(output)}


def test_what_is_kept_and_why_the_others_are_not(folder, made):
    output, report = made
    found = why(output)
    kept = {f"{name}.png" for name in NAMES}
    assert {name for name, reasons in found.items() if not reasons} == kept == files_in(output, "pictures")
    assert found["sub/dog again.png"] == ["duplicate"] and found["icon.png"] == ["side"]
    assert found["sub/soft.png"] == ["sharpness"]
    assert found["broken.jpg"] == ["unreadable"] and "notes.txt" not in found
    assert report.exit_code == 1 and len(report.failed) == 1 and "broken.jpg" in report.failed[0]
    assert report.kept == 6 and report.measured == 9
    for name in kept:
        assert (output / "pictures" / name).read_bytes() == (folder / name).read_bytes()
    assert "sunflower.png" in (output / "report.html").read_text(encoding="utf-8")


def test_a_second_run_does_nothing_again(folder, made, tmp_path):
    output = made[0]
    before = {path: path.stat().st_ctime_ns for path in (output / "pictures").rglob("*")}
    manifest = (output / "manifest.jsonl").read_bytes()
    report = curate(folder, output)
    assert report.measured == 0 and {record.status for record in report.files} == {"skipped"}
    assert {path: path.stat().st_ctime_ns for path in (output / "pictures").rglob("*")} == before
    assert (output / "manifest.jsonl").read_bytes() == manifest


def test_order_and_processes_change_nothing(folder, made, tmp_path):
    paths = [path for path in folder.rglob("*") if path.suffix in (".png", ".jpg")]
    mirrored = {line.name: line for line in read_manifest(made[0])}
    output = tmp_path / "out"
    curate_files([*sorted(paths, reverse=True)], output, jobs=2)
    # Given one by one the files of subfolders are not mirrored.
    for line in read_manifest(output):
        other = next(known for name, known in mirrored.items() if Path(name).name == line.name)
        assert replace(line, name="", output=None, reasons=()) == replace(other, name="", output=None, reasons=())
        assert [reason.name for reason in line.reasons] == [reason.name for reason in other.reasons]


def test_another_selection_measures_nothing_and_removes_files(folder, tmp_path):
    output = tmp_path / "out"
    curate(folder, output)
    report = curate(folder, output, keep=2)
    assert report.measured == 0 and report.removed == 4
    assert len(files_in(output, "pictures")) == 2
    assert sum(reasons == ["rank"] for reasons in why(output).values()) == 4
    best = sorted((line for line in read_manifest(output) if line.measures), key=lambda line: -line.merit)
    assert {line.name for line in best[:2]} == files_in(output, "pictures")
    assert curate(folder, output, keep=0.5).kept == 3


def test_crops(folder, tmp_path):
    output = tmp_path / "out"
    report = curate(folder, output, crops=192, per_image=2, keep=3)
    lines = [line for line in read_manifest(output) if line.kept]
    assert len(lines) == 3 and report.crops == 6 and not (output / "pictures").exists()
    for line in lines:
        for crop in line.crops:
            box = crop.box
            whole = np.asarray(Image.open(line.file))
            part = whole[box.top : box.top + 192, box.left : box.left + 192]
            np.testing.assert_array_equal(np.asarray(Image.open(output / crop.output)), part)


def test_crops_of_pictures_that_share_a_name(tmp_path):
    save(photos()[0], tmp_path / "in" / "a.png")
    save(photos()[1], tmp_path / "in" / "a.bmp")
    save(photos()[2], tmp_path / "in" / "b.png")
    curate_files(tmp_path / "in", tmp_path / "out", crops=128)
    made = files_in(tmp_path / "out", "crops")
    assert {name.split("_")[0] for name in made} == {"a.png", "a.bmp", "b.png"}


def test_a_manifest_only(folder, tmp_path):
    report = curate(folder, tmp_path / "out", pictures="none", crops=128)
    assert report.files == () and report.crops == 6
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "manifest.jsonl", JOURNAL, "report.html", "screening.toml",
    }  # fmt: skip


def test_a_picture_that_changes_is_measured_and_copied_again(tmp_path):
    for number in range(2):
        save(photos()[number], tmp_path / "in" / f"{number}.png")
    curate_files(tmp_path / "in", tmp_path / "out")
    save(photos()[2], tmp_path / "in" / "0.png")
    report = curate_files(tmp_path / "in", tmp_path / "out")
    assert report.measured == 1
    copies = [(tmp_path / "out" / "pictures" / name).read_bytes() for name in ("0.png", "1.png")]
    assert copies == [(tmp_path / "in" / name).read_bytes() for name in ("0.png", "1.png")]


def test_thresholds_of_a_file(folder, tmp_path):
    (tmp_path / "strict.toml").write_text("min_detail = 1000\n")
    with pytest.raises(UsageError, match=r"--keep 1: only 0 of 9 pass \(detail 9, side 1"):
        curate(folder, tmp_path / "out", screening=tmp_path / "strict.toml", keep=1)
    # What was measured stays, and no picture was written.
    assert [path.name for path in (tmp_path / "out").iterdir()] == [JOURNAL]
    assert curate(folder, tmp_path / "out").measured == 0


def test_results_inside_the_photos_are_no_photos(tmp_path):
    save(photos()[0], tmp_path / "a.png")
    for _ in range(2):
        report = curate_files(tmp_path, tmp_path / "curated", recursive=True)
        assert [line.name for line in report.entries] == ["a.png"]


def test_on_a_full_disk_nothing_is_written_and_nothing_lost(folder, tmp_path, monkeypatch):
    output = tmp_path / "out"
    curate(folder, output, keep=2)
    before = files_in(output, ".")
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(ResourceError, match="the results need about"):
        curate(folder, output, keep=3)
    assert files_in(output, ".") == before


def test_an_interrupted_run_measures_only_the_rest(folder, made, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        curate(folder, tmp_path / "out", watcher=Interrupting())
    assert [path.name for path in (tmp_path / "out").iterdir()] == [JOURNAL]
    done = len((tmp_path / "out" / JOURNAL).read_bytes().splitlines())
    report = curate(folder, tmp_path / "out")
    assert 0 < done <= 3 and report.measured == 9 - done
    assert report.entries == read_manifest(made[0])


def test_the_manifest_is_json_that_any_program_reads(made):
    for line in (made[0] / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_crops_and_links_together(folder, tmp_path):
    curate(folder, tmp_path / "out", crops=192, pictures="link", keep=2)
    assert len(files_in(tmp_path / "out", "crops")) == 2 == len(files_in(tmp_path / "out", "pictures"))
    curate(folder, tmp_path / "out", keep=2)
    assert not (tmp_path / "out" / "crops").exists()
    assert not any(path.is_symlink() for path in (tmp_path / "out" / "pictures").rglob("*"))


def test_a_picture_without_a_crop_is_not_kept(folder, tmp_path):
    curate(folder, tmp_path / "out", crops=500, avoid_blur=True)
    found = why(tmp_path / "out")
    assert found["sunflower.png"] == ["crops"] and found["cat.png"] == ["crops"]
    assert all(line.crops for line in read_manifest(tmp_path / "out") if line.kept)


def test_two_runs_at_once_are_refused(folder, tmp_path):
    (tmp_path / "out").mkdir()
    with journal(tmp_path / "out" / JOURNAL), pytest.raises(UsageError, match="another run is writing this"):
        curate(folder, tmp_path / "out")


def test_a_name_that_is_no_unicode(tmp_path):
    save(photos()[0], tmp_path / "in" / "a\udcff.png")
    curate_files(tmp_path / "in", tmp_path / "out")
    assert (tmp_path / "out" / "pictures" / "a\udcff.png").exists()
    for name in ("manifest.jsonl", "report.html"):
        (tmp_path / "out" / name).read_text(encoding="utf-8")
