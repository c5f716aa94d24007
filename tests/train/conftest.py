from zlib import crc32

import numpy as np
import pytest

from aimanga.images import Picture, write
from aimanga.train.reading import load_train_recipe


def noise(seed, width=48, height=48):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def photos(tmp_path):
    """Write a folder of pictures of noise."""

    def make(folder, names, width=48, height=48, suffix="png"):
        made = tmp_path / folder
        made.mkdir(parents=True, exist_ok=True)
        for name in names:
            seed = crc32(f"{folder}/{name}".encode())
            write(Picture(noise(seed, width, height)), made / f"{name}.{suffix}")
        return made

    return make


@pytest.fixture
def read_recipe(tmp_path):
    """Read a recipe with these sources, relative to the temporary folder."""

    def read(*sources, settings=()):
        path = tmp_path / "recipe.toml"
        tables = "".join(f"[[data.sources]]\n{source}\n" for source in sources)
        path.write_text(
            "[data]\ncrop = 32\nworkers = 0\ndegradation = 'bicubic'\n"
            f"{tables}[losses]\npixel = {{}}\n[train]\niterations = 5\nbatch_size = 2\n[validation]\nheld_out = 0\n"
        )
        return load_train_recipe(path, settings)

    return read
