"""The commands in a process of their own; what a download can meet is tested in tests/test_weights.py."""

import hashlib

import pytest
from typer.testing import CliRunner

from aimanga import weights
from aimanga.cli.app import app
from aimanga.weights import WEIGHT_FILES, WeightFile


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AIMANGA_WEIGHTS", str(tmp_path / "home"))
    return tmp_path / "home"


def test_list_and_path(aimanga_cli, home):
    shown = aimanga_cli("weights", "list").stdout
    lines = shown.splitlines()
    for entry in WEIGHT_FILES:
        line = next(line for line in lines if line.startswith(f"{entry.name} "))
        assert entry.license in line
        assert " no " in line
    assert str(home) in shown.replace("\n", "")
    assert aimanga_cli("weights", "path").stdout == f"{home}\n"
    assert not home.exists()


def test_what_is_missing_is_said(aimanga_cli):
    result = aimanga_cli("weights", "path", "vgg19")
    assert result.returncode == 2
    assert "aimanga weights fetch vgg19" in result.stderr


def test_a_wrong_file_is_not_added(aimanga_cli, tmp_path):
    (tmp_path / "vgg19.pth").write_bytes(b"something else")
    result = aimanga_cli("weights", "add", "vgg19", tmp_path / "vgg19.pth")
    assert result.returncode == 2
    assert "damaged or a different one" in result.stderr


def test_add_verify_fetch_and_path_agree(tmp_path, home, monkeypatch):
    content = b"weights"
    digest = hashlib.sha256(content).hexdigest()
    entries = tuple(
        WeightFile(name, "tests", f"http://127.0.0.1:9/{name}.pth", "CC0-1.0", 7, sha256)
        for name, sha256 in (("whole", digest), ("unknown", ""), ("absent", digest))
    )
    monkeypatch.setattr(weights, "WEIGHT_FILES", entries)
    (tmp_path / "file").write_bytes(content)

    def call(*arguments):
        return CliRunner().invoke(app, ["weights", *map(str, arguments)])

    for name in ("whole", "unknown"):
        assert call("add", name, tmp_path / "file").exit_code == 0
    assert call("path", "whole").output == f"{home / 'whole.pth'}\n"
    fetched = call("fetch", "whole", "unknown").output
    assert "whole: already present" in fetched
    assert digest in fetched
    verified = call("verify")
    assert verified.exit_code == 0
    assert verified.output.splitlines() == [
        "whole: good",
        "unknown: present; no digest is published to compare with",
    ]
    (home / "whole.pth").write_bytes(b"rotten")
    verified = call("verify")
    assert verified.exit_code == 1
    assert "whole: DAMAGED: aimanga weights fetch whole" in verified.output
