"""Make docs/before-after.jpg, the picture at the top of the README, from two of the samples."""

from pathlib import Path

import numpy as np

import aimanga

ROOT = Path(__file__).parent.parent
CROPS = {"parrot.jpg": (90, 100), "owl.jpg": (110, 230)}  # top and left, in pixels of the result
SIDE = 400

tiles = []
for name, (top, left) in CROPS.items():
    photo = aimanga.read(ROOT / "samples" / name)
    for strength in (0.0, 1.0):  # the bicubic upscale, and the network's result
        pixels = aimanga.upscale(photo, strength=strength).pixels
        tiles.append(pixels[top : top + SIDE, left : left + SIDE])
aimanga.write(aimanga.Picture(np.hstack(tiles)), ROOT / "docs" / "before-after.jpg", quality=88)
