"""A training that waits in an iteration for ever, for a test that kills it: `stuck.py RECIPE FOLDER ITERATION`."""

import itertools
import sys
import time

from aimanga.train import train
from aimanga.train.learner import Learner


def main(recipe, folder, iteration):
    usual, calls = Learner.step, itertools.count(1)

    def waiting(self, *arguments, **how):
        if next(calls) == iteration:
            sys.stdout.write(f"waiting in iteration {iteration}\n")
            sys.stdout.flush()
            time.sleep(3600)
        return usual(self, *arguments, **how)

    Learner.step = waiting
    train(recipe, folder, device="cpu")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
