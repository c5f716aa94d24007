"""A few iterations, for a test that starts several processes of it."""

import sys

import torch

from aimanga.train.fabric import make_fabric
from aimanga.train.learner import Learner
from tests.train.test_learner import RATES, batch, networks, recipe

if __name__ == "__main__":
    torch.set_num_threads(1)
    fabric, _, _ = make_fabric("cpu", recipe())
    assert fabric.world_size == 2
    learner = Learner(networks(), recipe(), fabric)
    for seed in range(3):
        low, high = (x.chunk(2)[fabric.global_rank] for x in batch(seed))
        learner.step(low, high, RATES)
    if fabric.is_global_zero:
        torch.save(learner.state()[0], sys.argv[1])
