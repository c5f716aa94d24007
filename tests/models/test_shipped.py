import hashlib

import pytest

from aimanga.errors import ModelError
from aimanga.models import shipped
from aimanga.models.shipped import ShippedWeights

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
WEIGHTS = ShippedWeights("a", "tests", SHA256, "CC0-1.0")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "_FOLDER", tmp_path)
    return tmp_path


def test_a_shipped_file_is_found_and_verified(folder):
    (folder / "a.safetensors").write_bytes(CONTENT)
    assert WEIGHTS.present
    assert WEIGHTS.verified() == (folder / "a.safetensors", SHA256)


def test_a_missing_file_is_named_with_a_remedy():
    assert not WEIGHTS.present
    with pytest.raises(ModelError, match=r"a\.safetensors.*missing.*pip install --force-reinstall"):
        WEIGHTS.verified()


def test_a_damaged_file_is_refused(folder):
    (folder / "a.safetensors").write_bytes(CONTENT + b"!")
    with pytest.raises(ModelError, match=rf"a\.safetensors.*damaged.*expected {SHA256}"):
        WEIGHTS.verified()
