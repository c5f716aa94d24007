import numpy as np
import pytest

from aimanga.evaluate import read_test_set
from aimanga.images import Picture, write
from aimanga.tensors import from_array, resize, to_array


@pytest.fixture
def small_set(tmp_path):
    """A set of seven pictures of one size, four times smaller and as they were, in a folder of its own."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "small"
    for name in ("HR", "LR"):
        (folder / name).mkdir(parents=True)
    for n in range(7):
        # Smooth at first, rough in the end: no two have the same scores.
        x = from_array(rng.integers(0, 256, (6 + 3 * n, 8 + 3 * n, 3), np.uint8))
        high = to_array(resize(x, 80, 96), np.uint8)
        write(Picture(high), folder / "HR" / f"p{n}.png")
        write(Picture(to_array(resize(from_array(high), 20, 24), np.uint8)), folder / "LR" / f"p{n}.png")
    return folder


@pytest.fixture
def cases(small_set):
    return {case.name: case for case in read_test_set(small_set).cases}


@pytest.fixture
def program(tmp_path):
    """Another program: enlarges a file, or all of a folder, and writes down what it was asked for."""
    path = tmp_path / "program.py"
    path.write_text(
        """
import sys, time
from pathlib import Path
from PIL import Image

source, target, scale = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
options = sys.argv[4:]
pairs = [(source, target)]
if source.is_dir():
    pairs = [(path, target / f"{path.stem}_out.png") for path in sorted(source.iterdir())]
for number, (source, target) in enumerate(pairs):
    with (Path(__file__).parent / "calls").open("a") as calls:
        calls.write(source.stem + chr(10))
    if "slow" in options:
        time.sleep(0.1)
    if "none" in options:
        continue
    if "crash" in options and number == len(pairs) - 1:
        print("loading weights")
        raise RuntimeError("out of memory")
    size = [side * scale + ("wrong" in options) for side in Image.open(source).size]
    Image.open(source).resize(size, Image.Resampling.NEAREST).save(target)
"""
    )
    return path


@pytest.fixture
def calls(tmp_path):
    """What the program was asked for since the last time."""

    def read():
        path = tmp_path / "calls"
        names = path.read_text().split() if path.is_file() else []
        path.unlink(missing_ok=True)
        return names

    return read
