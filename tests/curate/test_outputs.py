"""What is handed out, and what is taken back."""

import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from aimanga.curate.crops import Crop
from aimanga.curate.manifest import Line, SavedCrop, write_manifest
from aimanga.curate.outputs import check_room, hand_out, take_back
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


def line(source, output=None, crops=(), key="a"):
    saved = tuple(SavedCrop(Crop(Box(*box), 9.0), name) for box, name in crops)
    return Line(str(source), source.name, 300, 200, (), NUMBERS, 18.0, None, None, output, saved, key)


def out(lines, folder, pictures="copy", **options):
    folder.mkdir(exist_ok=True)
    write_manifest(lines, folder)
    return hand_out(folder, pictures, max_pixels=2**28, first_page=False, **options)


def test_copies_are_the_same_bytes_and_time(sources, tmp_path):
    os.utime(sources / "0.png", (1000, 1000))
    report = out([line(sources / "0.png", "pictures/sub/0.png")], tmp_path / "out")
    copy = tmp_path / "out" / "pictures" / "sub" / "0.png"
    assert report.count("done") == 1
    assert copy.read_bytes() == (sources / "0.png").read_bytes() and copy.stat().st_mtime == 1000
    assert out([line(sources / "0.png", "pictures/sub/0.png")], tmp_path / "out").count("skipped") == 1


def test_links(sources, tmp_path):
    link = tmp_path / "out" / "pictures" / "0.png"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "gone")
    out([line(sources / "0.png", "pictures/0.png")], tmp_path / "out", "link")
    assert link.is_symlink() and link.resolve() == sources / "0.png"


def test_crops_are_the_parts_that_they_say(sources, tmp_path):
    boxes = [((32, 96, 100, 100), "crops/0_1.png"), ((160, 0, 100, 100), "crops/0_2.png")]
    out([line(sources / "0.png", crops=boxes)], tmp_path / "out")
    pixels = read(sources / "0.png").pixels
    np.testing.assert_array_equal(read(tmp_path / "out/crops/0_1.png").pixels, pixels[96:196, 32:132])
    np.testing.assert_array_equal(read(tmp_path / "out/crops/0_2.png").pixels, pixels[:100, 160:260])


def test_crops_keep_depth_and_transparency_but_not_what_was_said_of_the_whole(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 65536, (200, 300, 3)).astype(np.uint16)
    write(Picture(pixels, pixels[:, :, 0].copy(), metadata=Metadata(xmp=b"<x:xmpmeta/>")), tmp_path / "deep.png")
    out([line(tmp_path / "deep.png", crops=[((0, 32, 64, 64), "crops/deep_1.png")])], tmp_path / "out")
    crop = read(tmp_path / "out/crops/deep_1.png")
    np.testing.assert_array_equal(crop.pixels, pixels[32:96, :64])
    np.testing.assert_array_equal(crop.alpha, pixels[32:96, :64, 0])
    assert crop.metadata.xmp is None


def test_a_picture_that_has_changed_meanwhile_gives_no_crops(sources, tmp_path):
    changed = replace(line(sources / "0.png", crops=[((0, 0, 64, 64), "crops/0_1.png")]), width=301)
    report = out([changed, line(sources / "1.png", "pictures/1.png")], tmp_path / "out")
    assert [record.status for record in report.records] == ["done", "failed"]
    assert "is not the picture any more that was measured" in report.failed[0].error


def test_what_a_new_selection_does_not_have_is_taken_back(sources, tmp_path):
    folder = tmp_path / "out"
    former = [
        line(sources / "0.png", "pictures/0.png", [((0, 0, 64, 64), "crops/0_1.png")]),
        line(sources / "1.png", "pictures/1.png", [((0, 0, 64, 64), "crops/1_1.png")]),
    ]
    out(former, folder)
    (folder / "pictures" / "my own.png").write_bytes(b"x")
    new = [line(sources / "0.png", "pictures/0.png", [((32, 0, 64, 64), "crops/0_1.png")])]
    # The crop has another place; the second picture is out.
    assert take_back(former, new, folder) == (3, [])
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert left == {"pictures/0.png", "pictures/my own.png", "manifest.jsonl"}
    # Of another picture of the same name everything is old.
    assert take_back(new, [line(sources / "0.png", "pictures/0.png", key="b")], folder) == (1, [])


def test_the_last_copy_of_a_picture_is_not_taken_back(sources, tmp_path):
    former = [line(sources / "0.png", "pictures/0.png")]
    out(former, tmp_path / "out")
    (sources / "0.png").unlink()
    assert take_back(former, [], tmp_path / "out") == (0, ["pictures/0.png"])
    assert (tmp_path / "out" / "pictures" / "0.png").exists()


def test_a_full_disk_is_known_before(sources, tmp_path, monkeypatch):
    lines = [line(sources / "0.png", "pictures/0.png", [((0, 0, 1000, 1000), "crops/0_1.png")])]
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 100_000}))
    with pytest.raises(ResourceError, match=r"about 2 MB are to be written, and 0 MB are free there; make room"):
        check_room(lines, tmp_path, "copy")
    check_room([line(sources / "0.png", "pictures/0.png")], tmp_path, "link")
