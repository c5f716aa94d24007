import json
from pathlib import Path

from aimanga.batch import Record, Report


def test_a_record_is_one_line_of_json_without_what_does_not_apply():
    record = Record(Path("图.png"), Path("out/图.png"), "done", 1.23456, sha256="00", details={"input_size": [3, 4]})
    line = record.to_json()
    assert "\n" not in line
    assert "图.png" in line
    assert json.loads(line) == {
        "file": "图.png", "output": "out/图.png", "status": "done", "seconds": 1.235, "input_size": [3, 4],
        "sha256": "00",
    }  # fmt: skip


def test_of_values_there_is_no_output():
    assert json.loads(Record(Path("a.png"), None, "done").to_json()) == {
        "file": "a.png", "status": "done", "seconds": 0.0,
    }  # fmt: skip


def test_a_name_that_is_not_unicode_can_be_reported():
    odd = Path(b"\xff.png".decode("utf-8", "surrogateescape"))
    assert json.loads(Record(odd, odd, "skipped").to_json())["file"] == str(odd)


def test_exit_codes():
    done, skipped, failed = (Record(Path(), Path(), status) for status in ("done", "skipped", "failed"))
    assert Report((done, skipped), 0, 1.0).exit_code == 0
    assert Report((done, failed), 0, 1.0).exit_code == 1
    assert Report((done, failed), 0, 1.0).failed == (failed,)
