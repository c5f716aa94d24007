import subprocess
import sys

import pytest

CODE = """
import resource, torch
from aimanga.memory import freed_memory_kept
with freed_memory_kept():
    with freed_memory_kept():  # as a validation within a training: the outer one goes on
        pass
    for _ in range(20):  # until a freed piece has room for an aligned tensor; how soon depends on the addresses
        torch.ones(4_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        torch.ones(4_000_000)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is done elsewhere")
def test_large_tensors_are_served_from_freed_memory():
    """50 tensors of 16 MB would take 200,000 page faults if each came from the system."""
    faults = int(subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout)
    assert faults < 20_000
