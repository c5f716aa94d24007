"""A manifest comes back as it was written."""

import json

import pytest

from aimanga.curate.crops import Crop
from aimanga.curate.manifest import ManifestEntry, Reason, read_manifest, write_manifest
from aimanga.errors import UsageError
from aimanga.images import Box
from tests.curate.test_screening import NUMBERS

KEPT = ManifestEntry(
    "/photos/汉字 \udcff.jpg", "汉字 \udcff.jpg", 800, 600, 4711, 1_700_000_000_000_000_001, NUMBERS, group=3,
    crops=(Crop(Box(32, 64, 256, 256), 25.5, "crops/a_1.png"), Crop(Box(0, 320, 256, 256), 12.0)),
)  # fmt: skip
UNREAD = ManifestEntry("/photos/b.jpg", "b.jpg", reasons=(Reason("unreadable", "b.jpg: no"),))


def test_what_is_written_is_read(tmp_path):
    write_manifest([KEPT, UNREAD], tmp_path)
    assert read_manifest(tmp_path) == (KEPT, UNREAD)
    assert KEPT.kept and not UNREAD.kept
    assert KEPT.outputs == ("crops/a_1.png",)


def test_a_line_is_plain_json():
    content = json.loads(KEPT.to_json())
    assert content["kept"] is True and content["detail"] == 20.0 and content["reasons"] == []
    assert content["merit"] == 18.0  # 10 % of it is flat
    assert content["crops"][0] == {"output": "crops/a_1.png", "box": [32, 64, 256, 256], "detail": 25.5}
    assert json.loads(UNREAD.to_json())["why"] == ["b.jpg: no"]
    assert "detail" not in json.loads(UNREAD.to_json())
    assert KEPT.to_json().isascii()  # lone surrogates are no UTF-8, and would spoil the file for other programs


def test_what_is_no_manifest(tmp_path):
    with pytest.raises(UsageError, match=r"manifest\.jsonl: No such file"):
        read_manifest(tmp_path)
    path = write_manifest([KEPT], tmp_path)
    for wrong, why in (("{}", "not a line of a manifest: 'file'"), ("[", "Expecting value"), ('{"file"', "Expecting")):
        path.write_text(path.read_text().splitlines()[0] + f"\n{wrong}\n")
        with pytest.raises(UsageError, match=f"manifest.jsonl, line 2: {why}"):
            read_manifest(tmp_path)
