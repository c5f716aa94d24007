"""What is written, and what is removed."""

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from aimanga.curate.crops import Crop
from aimanga.curate.manifest import ManifestEntry, read_manifest, write_manifest
from aimanga.curate.options import CurateOptions
from aimanga.curate.outputs import check_space, crop_name, plan_outputs, remove_outputs, write_outputs
from aimanga.errors import ResourceError
from aimanga.images import Box, Metadata, Picture, read, write
from tests.curate.test_screening import NUMBERS


@pytest.fixture
def sources(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(2):
        Image.fromarray(rng.integers(0, 256, (200, 300, 3), np.uint8)).save(folder / f"{number}.png")
    return folder


def entry(source, *, whole=True, crops=()):
    found = tuple(Crop(Box(*box), 9.0, crop_name(source.name, Box(*box))) for box in crops)
    output = f"pictures/{source.name}" if whole else None
    state = source.stat()
    return ManifestEntry(
        str(source), source.name, 300, 200, state.st_size, state.st_mtime_ns, NUMBERS, output=output, crops=found
    )


def out(entries, folder, pictures="copy"):
    """One run after another, as the verb does it."""
    folder.mkdir(exist_ok=True)
    previous = read_manifest(folder) if (folder / "manifest.jsonl").exists() else ()
    plan = plan_outputs(previous, entries, folder, pictures)
    remove_outputs(plan, folder)
    write_manifest(plan.entries, folder)
    return plan, write_outputs(plan, folder, CurateOptions(pictures=pictures))


def statuses(records):
    return [record.status for record in records]


def files_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()} - {"manifest.jsonl"}


def test_copies_are_the_same_bytes_and_time(sources, tmp_path):
    os.utime(sources / "0.png", (1000, 1000))
    _, records = out([entry(sources / "0.png")], tmp_path / "out")
    copy = tmp_path / "out" / "pictures" / "0.png"
    assert statuses(records) == ["done"]
    assert copy.read_bytes() == (sources / "0.png").read_bytes() and copy.stat().st_mtime == 1000
    inode = copy.stat().st_ino
    plan, records = out([entry(sources / "0.png")], tmp_path / "out")
    assert plan.remove == () and statuses(records) == ["skipped"] and copy.stat().st_ino == inode


@pytest.mark.parametrize(("first", "second"), [("copy", "link"), ("link", "copy")])
def test_links_become_copies_and_copies_links(sources, tmp_path, first, second):
    result = tmp_path / "out" / "pictures" / "0.png"
    for pictures in (first, second, second):
        out([entry(sources / "0.png")], tmp_path / "out", pictures)
        assert result.is_symlink() == (pictures == "link") and result.read_bytes() == (sources / "0.png").read_bytes()


def test_a_link_that_leads_nowhere_is_replaced(sources, tmp_path):
    link = tmp_path / "out" / "pictures" / "0.png"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "gone")
    out([entry(sources / "0.png")], tmp_path / "out", "link")
    assert link.is_symlink() and link.resolve() == sources / "0.png"


def test_crops_are_the_parts_that_they_say(sources, tmp_path):
    boxes = [(32, 96, 100, 100), (160, 0, 100, 100)]
    out([entry(sources / "0.png", whole=False, crops=boxes)], tmp_path / "out")
    assert files_in(tmp_path / "out") == {"crops/0.png_32_96_100.png", "crops/0.png_160_0_100.png"}
    pixels = read(sources / "0.png").pixels
    for left, top, width, height in boxes:
        crop = read(tmp_path / "out" / "crops" / f"0.png_{left}_{top}_{width}.png").pixels
        np.testing.assert_array_equal(crop, pixels[top : top + height, left : left + width])


def test_more_crops_and_fewer(sources, tmp_path):
    boxes = [(0, 0, 64, 64), (64, 64, 64, 64), (128, 0, 64, 64)]
    times = []
    for count in (1, 3, 2, 3):
        out([entry(sources / "0.png", whole=False, crops=boxes[:count])], tmp_path / "out")
        wanted = {f"crops/0.png_{left}_{top}_64.png" for left, top, _, _ in boxes[:count]}
        assert files_in(tmp_path / "out") == wanted
        times.append((tmp_path / "out" / "crops" / "0.png_0_0_64.png").stat().st_ctime_ns)
    assert len(set(times)) == 1  # what is there is not made again
    (tmp_path / "out" / "crops" / "0.png_64_64_64.png").unlink()
    _, records = out([entry(sources / "0.png", whole=False, crops=boxes)], tmp_path / "out")
    assert statuses(records) == ["done"] and len(files_in(tmp_path / "out")) == 3


def test_crops_keep_depth_and_transparency_but_not_what_was_said_of_the_whole(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 65536, (200, 300, 3)).astype(np.uint16)
    write(Picture(pixels, pixels[:, :, 0].copy(), metadata=Metadata(xmp=b"<x:xmpmeta/>")), tmp_path / "deep.png")
    out([entry(tmp_path / "deep.png", whole=False, crops=[(0, 32, 64, 64)])], tmp_path / "out")
    crop = read(tmp_path / "out/crops/deep.png_0_32_64.png")
    np.testing.assert_array_equal(crop.pixels, pixels[32:96, :64])
    np.testing.assert_array_equal(crop.alpha, pixels[32:96, :64, 0])
    assert crop.metadata.xmp is None


def test_names_of_crops_fit_and_differ():
    box = Box(128, 64, 512, 512)
    assert crop_name("a.jpg", box) == "crops/a.jpg_128_64_512.png"
    assert crop_name("sub/b/a.jpg", box) == "crops/sub/b/a.jpg_128_64_512.png"
    names = {crop_name("汉" * 83 + tail, box).rpartition("/")[2] for tail in ("a.png", "b.png")}
    assert len(names) == 2 and all(len(os.fsencode(name)) <= 255 for name in names)


def test_a_picture_that_has_changed_meanwhile_gives_no_crops(sources, tmp_path):
    changed = replace(entry(sources / "0.png", whole=False, crops=[(0, 0, 64, 64)]), modified=1)
    _, records = out([changed, entry(sources / "1.png")], tmp_path / "out")
    assert statuses(records) == ["done", "failed"]
    assert "has changed since it was measured" in records[-1].error


def test_what_a_new_selection_lacks_is_removed(sources, tmp_path):
    folder = tmp_path / "out"
    out([entry(sources / f"{n}.png", crops=[(0, 0, 64, 64)]) for n in range(2)], folder)
    (folder / "pictures" / "my own.png").write_bytes(b"x")
    # The crop has another place; the second picture is out.
    plan, _ = out([entry(sources / "0.png", crops=[(32, 0, 64, 64)])], folder)
    assert len(plan.remove) == 3 and plan.orphans == ()
    assert files_in(folder) == {"pictures/0.png", "pictures/my own.png", "crops/0.png_32_0_64.png"}
    out([], folder)
    assert files_in(folder) == {"pictures/my own.png"} and not (folder / "crops").exists()


def test_a_picture_that_was_changed_is_copied_again(sources, tmp_path):
    out([entry(sources / "0.png", crops=[(0, 0, 64, 64)])], tmp_path / "out")
    shutil.copy(sources / "1.png", sources / "0.png")
    out([entry(sources / "0.png", crops=[(0, 0, 64, 64)])], tmp_path / "out")
    pixels = read(sources / "1.png").pixels
    np.testing.assert_array_equal(read(tmp_path / "out" / "pictures" / "0.png").pixels, pixels)
    np.testing.assert_array_equal(read(tmp_path / "out" / "crops" / "0.png_0_0_64.png").pixels, pixels[:64, :64])


@pytest.mark.parametrize("loss", ["gone", "truncated"])
def test_the_last_copy_of_a_picture_is_not_removed(sources, tmp_path, loss):
    before = (sources / "0.png").read_bytes()
    out([entry(sources / "0.png")], tmp_path / "out")
    if loss == "gone":
        (sources / "0.png").unlink()
    else:
        (sources / "0.png").write_bytes(before[:100])
    plan, _ = out([], tmp_path / "out")
    assert plan.orphans == ("pictures/0.png",) and plan.remove == ()
    assert (tmp_path / "out" / "pictures" / "0.png").read_bytes() == before


def test_the_last_copy_does_not_make_room_for_another_picture_of_its_name(sources, tmp_path):
    before = (sources / "0.png").read_bytes()
    out([entry(sources / "0.png")], tmp_path / "out")
    (sources / "0.png").unlink()
    (tmp_path / "other").mkdir()
    shutil.copy(sources / "1.png", tmp_path / "other" / "0.png")
    for _ in range(2):  # and is not forgotten by the next run
        _, records = out([entry(tmp_path / "other" / "0.png")], tmp_path / "out")
        assert statuses(records)[-1] == "failed" and "the last copy of a picture; move it away" in records[-1].error
        assert (tmp_path / "out" / "pictures" / "0.png").read_bytes() == before


def test_a_file_of_the_users_own_is_neither_a_result_nor_removed(sources, tmp_path):
    own = tmp_path / "out" / "pictures" / "0.png"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    _, records = out([entry(sources / "0.png"), entry(sources / "1.png")], tmp_path / "out")
    assert statuses(records) == ["done", "failed"]
    out([], tmp_path / "out")
    assert own.read_bytes() == b"mine"


def test_a_full_disk_is_known_before(sources, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    entries = [entry(sources / "0.png", crops=[(0, 0, 1000, 1000)])]
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 100_000}))
    with pytest.raises(ResourceError, match=r"the results need about 2 MB, and 100 kB are free; free some space"):
        check_space(plan_outputs((), entries, tmp_path / "out", "copy"), tmp_path)
    check_space(plan_outputs((), [entry(sources / "0.png")], tmp_path / "out", "link"), tmp_path)
