"""The rule for pairs, through all that pair pictures: no picture is compared with another one's ground truth."""

from pathlib import Path

import pytest

from aimanga.benchmark.matching import match_results
from aimanga.errors import UsageError
from aimanga.evaluate import Case, evaluate_results, read_test_set
from aimanga.evaluate.references import find_references


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


class TestTheFox:
    """`fox1` and `fox2` end in what looks like a scale, and are not two sizes of one `fo`."""

    def test_in_a_test_set(self, tmp_path):
        touch(tmp_path, "HR/fox1.png", "HR/fox2.png", "LR/fox1.png", "LR/fox2.png")
        found = {case.low.name: case.high.name for case in read_test_set(tmp_path).cases}
        assert found == {"fox1.png": "fox1.png", "fox2.png": "fox2.png"}

    @pytest.mark.parametrize(("result", "reference"), [("fox2", "fo"), ("foxx1", "fox"), ("foxx12", "fox")])
    def test_in_references(self, tmp_path, result, reference):
        touch(tmp_path / "HR", f"{reference}.png")
        with pytest.raises(UsageError, match=f"{result}.png"):
            find_references([tmp_path / f"{result}.png"], tmp_path / "HR")

    @pytest.mark.parametrize("result", ["fox2", "fox2_out", "foxx1", "fox1x2"])
    def test_in_results(self, tmp_path, result):
        touch(tmp_path, f"{result}.png")
        assert not match_results([Case("fox1", Path("fox1.png"), None, None)], tmp_path)

    def test_in_methods_without_references(self, tmp_path):
        touch(tmp_path, "a/fox1.png", "b/fox2.png")
        with pytest.raises(UsageError, match="fox"):
            evaluate_results([tmp_path / "a", tmp_path / "b"], tmp_path / "out", metrics=["brisque"])
