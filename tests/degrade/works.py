"""Pair-making in a process of its own, for tests that kill it."""

import sys
from pathlib import Path

from aimanga.degrade import make_pairs

if __name__ == "__main__":
    make_pairs(Path(sys.argv[1]), Path(sys.argv[2]), recipe="realesrgan", crop=32, seed=5, jobs=int(sys.argv[3]))
