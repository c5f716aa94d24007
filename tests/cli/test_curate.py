import json
import re

import pytest
from PIL import Image

from tests.conftest import ROOT

PHOTOS = ROOT / "tests" / "photos"
NAMES = ["books.jpg", "cat.jpg", "chameleon.jpg", "dog.jpg", "gamepad.jpg", "sunflower.jpg"]


def test_a_folder(aimanga_cli, tmp_path):
    (tmp_path / "bad[x].png").write_bytes(b"no picture")
    out = tmp_path / "out"
    result = aimanga_cli("curate", PHOTOS, tmp_path / "bad[x].png", "-o", out, "--keep", "50%", "-j", 1)
    assert result.returncode == 1, result.stderr
    lines = result.stdout.splitlines()
    assert lines[:2] == ["7 pictures, 1 at a time", "1 other file skipped"]
    assert re.fullmatch(r"failed +.*bad\[x\]\.png: cannot be read as a picture.*", lines[2])
    assert lines[3:6] == [
        "6 measured, 0 cached",
        "3 kept, 4 rejected: rank 3, unreadable 1",
        "3 done, 0 skipped, 0 failed",
    ]
    assert lines[6:9] == [f"written   {out / name}" for name in ("manifest.jsonl", "report.html", "screening.toml")]
    # Other thresholds, nothing measured again; crops instead of pictures.
    result = aimanga_cli(
        "curate", PHOTOS, "-o", out, "--crops", 128, "--per-image", 2, "--max-noise", 3, "--pictures", "link", "-j", 1
    )
    assert result.returncode == 0, result.stderr
    assert "0 measured, 6 cached" in result.stdout and "12 crops of 6 pictures" in result.stdout
    assert sorted(path.name for path in (out / "pictures").iterdir() if path.is_symlink()) == NAMES
    crops = list((out / "crops").glob("dog.jpg_*_128.png"))
    assert [Image.open(crop).size for crop in crops] == [(128, 128)] * 2
    manifest = (out / "manifest.jsonl").read_text().splitlines()
    assert len(manifest) == 6 and all(json.loads(line)["kept"] for line in manifest)
    assert "max_noise = 3.0" in (out / "screening.toml").read_text()
    # A file of thresholds, and an option that counts more.
    result = aimanga_cli("curate", PHOTOS, "-o", out, "--screening", out / "screening.toml", "--max-clipping", 0.9)
    assert "0 measured, 6 cached" in result.stdout
    written = (out / "screening.toml").read_text()
    assert "max_noise = 3.0" in written and "max_clipping = 0.9" in written


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--keep", "many"], "--keep many: "),
        (["--max-flatness", "2"], "--max-flatness 2: Input should be less than or equal to 1"),
        (["--pictures", "symlink"], "--pictures symlink: Input should be 'copy', 'link' or 'none'"),
        (["--avoid-text"], "--avoid-text need --crops"),
    ],
)
def test_what_cannot_be_done_is_said(aimanga_cli, tmp_path, arguments, message):
    result = aimanga_cli("curate", PHOTOS, "-o", tmp_path / "out", *arguments)
    assert result.returncode == 2 and message in result.stderr
