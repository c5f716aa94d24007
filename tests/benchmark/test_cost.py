import subprocess
import sys

import numpy as np

from aimanga.benchmark.cost import PeakMemory, watched_memory

SIZE = 300 * 2**20


class FakeProcess:
    def __init__(self, *sizes):
        self.rss, self._sizes = 0, iter(sizes)

    def children(self, recursive):
        return [self]

    def memory_info(self):
        self.rss = next(self._sizes)
        return self


def test_the_memory_of_another_program_is_seen_with_that_of_its_children():
    child = f"import time; block = bytearray({SIZE}); block[::4096] = bytes(len(block[::4096])); time.sleep(0.2)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with watched_memory(itself=False) as memory:
        subprocess.run([sys.executable, "-c", parent], check=True)
    assert SIZE < memory.peak < SIZE + 100 * 2**20


def test_the_memory_of_this_process_is_seen_after_it_is_given_back():
    with watched_memory(itself=True) as before:
        pass
    assert before.peak > 0  # however short the block was
    with watched_memory(itself=True) as memory:
        block = np.ones(SIZE, np.uint8)
        assert block.sum() == SIZE  # it takes longer than a look
        del block
    assert memory.peak > before.peak + 0.8 * SIZE


def test_what_a_forked_child_seems_to_have_for_a_moment_does_not_count():
    memory, child = PeakMemory(), FakeProcess(10, 20, 900, 30, 25)
    for _ in range(5):
        memory.sample(child, itself=False)
    assert memory.peak == 30
