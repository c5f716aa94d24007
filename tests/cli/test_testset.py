import numpy as np
import pytest

from aimanga.images import Picture, write


@pytest.fixture
def categories(tmp_path):
    for category in ("animals", "human"):
        folder = tmp_path / "photos" / category
        folder.mkdir(parents=True)
        for n in range(2):
            pixels = np.random.default_rng(n + len(category)).integers(0, 256, (16, 20, 3), np.uint8)
            write(Picture(pixels), folder / f"{n}.png")
    (tmp_path / "photos" / "human" / "broken.png").write_bytes(b"")
    return tmp_path / "photos"


def test_build_verify_and_show(aimanga_cli, categories, tmp_path):
    output = tmp_path / "set"
    done = aimanga_cli("testset", "build", categories, "-o", output, "--count", 3, "--recipe", "bicubic")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("skipped: ")
    assert "broken.png" in lines[0]
    assert lines[1:3] == ["animals: 2 of 2 pictures", "human: 1 of 2 pictures"]
    assert lines[3].startswith("3 done, 0 skipped, 0 failed in ")
    assert lines[4] == f"written   {output / 'manifest.json'}"

    assert aimanga_cli("testset", "verify", output).stdout == f"{output}: 3 pictures, all unchanged\n"
    shown = aimanga_cli("testset", "show", output).stdout
    assert shown == f"{output}: aimanga, x4, 3 pictures, 3 with ground truth\nanimals: 2\nhuman: 1\n"

    (output / "LR" / "animals" / "0.png").unlink()
    broken = aimanga_cli("testset", "verify", output)
    assert (broken.returncode, broken.stdout) == (1, "LR/animals/0.png is missing\n")


def test_what_cannot_be_done_is_2(aimanga_cli, categories, tmp_path):
    for arguments, message in (
        (["build", categories, "-o", tmp_path / "set", "--count", "9"], "only 4 pictures can be used"),
        (["verify", categories], "no manifest of a test set"),
        (["show", tmp_path / "gone"], "there is no such folder"),
    ):
        done = aimanga_cli("testset", *arguments)
        assert done.returncode == 2
        assert message in done.stderr
