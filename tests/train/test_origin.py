import re
import subprocess

import torch

from aimanga.train import origin


def test_versions_of_all_that_had_a_part():
    found = origin.versions()
    assert torch.__version__.startswith(found["torch"])
    assert {"aimanga", "lightning-fabric", "numpy", "safetensors"} <= found.keys()


def test_the_commit_is_that_of_the_repository(tmp_path):
    assert origin._commit(tmp_path) is None
    (tmp_path / "origin.py").write_text("")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "origin.py"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    commit = origin._commit(tmp_path)
    assert re.fullmatch("[0-9a-f]{40}", commit)
    (tmp_path / "origin.py").write_text("# changed")
    assert origin._commit(tmp_path) == f"{commit}-dirty"


def test_a_folder_that_only_lies_within_a_repository_is_not_of_it(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, capture_output=True)
    (tmp_path / "origin.py").write_text("")
    assert origin._commit(tmp_path) is None
