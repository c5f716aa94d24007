"""Trainings in processes of their own, for tests that start several of them, or end them."""

import itertools
import os
import signal
import sys
from pathlib import Path

import torch

from aimanga.train import train
from aimanga.train.fabric import make_fabric
from aimanga.train.learner import Learner
from tests.train.test_learner import RATES, batch, networks, recipe


def step(target: str) -> None:
    """A few iterations of one of two processes, each in two parts."""
    torch.set_num_threads(1)
    fabric, _, _ = make_fabric("cpu", recipe(accumulate=2))
    assert fabric.world_size == 2
    learner = Learner(networks(), recipe(accumulate=2), fabric)
    for seed in range(3):
        low, high = (x.chunk(2)[fabric.global_rank] for x in batch(seed))
        learner.step(low, high, RATES)
    if fabric.is_global_zero:
        torch.save(learner.state()[0], target)


def train_until(path: str, folder: str, iteration: int) -> int:
    """A training that waits in an iteration until a signal has come, however long that takes."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    usual, calls = Learner.step, itertools.count(1)

    def waiting(self, *arguments):
        if next(calls) == iteration:
            signal.set_wakeup_fd(write)
            sys.stdout.write(f"waiting in iteration {iteration}\n")
            sys.stdout.flush()
            os.read(read, 1)
        return usual(self, *arguments)

    Learner.step = waiting
    return train(path, Path(folder), device="cpu").exit_code


if __name__ == "__main__":
    if sys.argv[1] == "step":
        step(sys.argv[2])
    else:
        sys.exit(train_until(sys.argv[2], sys.argv[3], int(sys.argv[4])))
