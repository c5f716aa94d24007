import inspect
import json
import re

import pytest
from PIL import Image

from aimanga import curate_files
from aimanga.cli.curate import curate
from aimanga.curate import Screening
from tests.conftest import ROOT

PHOTOS = ROOT / "tests" / "photos"
NAMES = ["books.jpg", "cat.jpg", "chameleon.jpg", "dog.jpg", "gamepad.jpg", "sunflower.jpg"]


def test_a_folder(aimanga_cli, tmp_path):
    (tmp_path / "bad[x].png").write_bytes(b"no picture")
    result = aimanga_cli(
        "curate", PHOTOS, tmp_path / "bad[x].png", "-o", tmp_path / "out", "--keep", "50%", "-j", 1, process=True
    )
    assert result.returncode == 1, result.stderr
    lines = result.stdout.splitlines()
    assert lines[:2] == ["7 pictures, 1 at a time", "1 other file skipped"]
    assert re.fullmatch(r"failed +.*bad\[x\]\.png: cannot be read as a picture.*", lines[2])
    assert re.fullmatch(r"6 measured, 0 known in \d+\.\d s", lines[3])
    assert lines[4] == "3 kept, 4 not: rank 3, unreadable 1"
    assert lines[5] == "3 done, 0 skipped, 0 failed"
    assert lines[6:] == [
        f"written   {tmp_path / 'out' / name}" for name in ("manifest.jsonl", "report.html", "screening.toml")
    ]
    # Other thresholds, nothing measured again; crops instead of pictures.
    result = aimanga_cli(
        "curate", PHOTOS, "-o", tmp_path / "out", "--crops", 128, "--per-image", 2, "--max-noise", 3, "--link"
    )
    assert result.returncode == 0, result.stderr
    assert "0 measured, 6 known in " in result.stdout and "12 crops of 6 pictures" in result.stdout
    assert sorted(path.name for path in (tmp_path / "out" / "pictures").iterdir() if path.is_symlink()) == NAMES
    crops = list((tmp_path / "out" / "crops").glob("dog.jpg_*_128.png"))
    assert [Image.open(crop).size for crop in crops] == [(128, 128)] * 2
    manifest = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
    assert len(manifest) == 6 and all(json.loads(line)["kept"] for line in manifest)
    assert "max_noise = 3.0" in (tmp_path / "out" / "screening.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--keep", "many"], "--keep many: a number of pictures, or a share such as 55%"),
        (["--keep", "7"], "7 pictures are to be kept, but only 6 of 6 pass"),
        (["--max-flatness", "2"], "max_flatness: Input should be less than or equal to 1"),
        (["--copy", "--link"], "--copy, --link, --manifest-only: only one of them"),
    ],
)
def test_what_cannot_be_done_is_said(aimanga_cli, tmp_path, arguments, message):
    result = aimanga_cli("curate", PHOTOS, "-o", tmp_path / "out", *arguments)
    assert result.returncode == 2 and message in result.stderr


def test_defaults_are_those_of_the_library():
    command, library = (inspect.signature(function).parameters for function in (curate, curate_files))
    for name in ("per_image", "avoid_blur", "avoid_text", "recursive", "max_pixels", "first_page", "crops", "keep"):
        assert command[name].default == library[name].default


def test_every_threshold_is_an_option_and_its_default_is_told(aimanga_cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = " ".join(aimanga_cli("curate", "--help").stdout.split())
    for name, field in Screening.model_fields.items():
        assert re.search(rf"--{name.replace('_', '-')} .*?the screening's, or {field.default:g}\)\]", shown)
