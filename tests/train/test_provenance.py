import re
import subprocess

import torch

from aimanga.train import provenance as module


def test_versions_of_all_that_had_a_part():
    found = module.provenance()
    assert torch.__version__.startswith(found["torch"])
    assert {"aimanga", "lightning-fabric", "numpy", "safetensors"} <= found.keys()


def test_the_commit_is_that_of_the_repository(tmp_path):
    assert module._commit(tmp_path / "x.py") is None
    (tmp_path / "x.py").write_text("")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "x.py"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    commit = module._commit(tmp_path / "x.py")
    assert re.fullmatch("[0-9a-f]{40}", commit)
    (tmp_path / "x.py").write_text("# changed")
    assert module._commit(tmp_path / "x.py") == f"{commit}-dirty"


def test_a_folder_that_only_lies_within_a_repository_is_not_of_it(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, capture_output=True)
    (tmp_path / "x.py").write_text("")
    assert module._commit(tmp_path / "x.py") is None
