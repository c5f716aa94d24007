import numpy as np
import pytest
import torch

from aimanga import sweep
from aimanga.images import Picture, write
from aimanga.models import SRVGGNetCompact, save_checkpoint

PICTURES = ("a", "b", "c", "d")


@pytest.fixture(scope="session")
def brighter(tmp_path_factory):
    """A network that repeats each pixel 4 x 4 times and adds a number of levels to it."""
    folder = tmp_path_factory.mktemp("networks")

    def write_one(levels, name="", **about):
        network = SRVGGNetCompact(features=4, convs=1, scale=4)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
            list(network.parameters())[-1].fill_(levels / 255)
        path = folder / f"{name or levels}.safetensors"
        save_checkpoint(path, network, scale=4, **about)
        return path

    return write_one


@pytest.fixture(scope="session")
def pairs(tmp_path_factory):
    """LR pictures, and HR pictures with each of their pixels 4 x 4 times."""
    folder = tmp_path_factory.mktemp("sets") / "val"
    rng = np.random.default_rng(0)
    for kind in ("LR", "HR"):
        (folder / kind).mkdir(parents=True)
    for name in PICTURES:
        pixels = rng.integers(40, 200, (24, 48, 3), np.uint8)
        write(Picture(pixels), folder / "LR" / f"{name}.png")
        write(Picture(pixels.repeat(4, 0).repeat(4, 1)), folder / "HR" / f"{name}.png")
    return folder


@pytest.fixture(scope="session")
def swept(brighter, pairs, tmp_path_factory):
    """A sweep of three mixtures, from 0 to 20 levels brighter, and its folder."""
    folder = tmp_path_factory.mktemp("out") / "curve"
    parts = {brighter(0, license="MIT"): 0, brighter(20, license="MIT"): 1}
    return sweep(pairs, parts, folder, steps=3, precision="fp32"), folder
