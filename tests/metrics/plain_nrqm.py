"""The plain way of the benchmark, which restates NRQM's features in NumPy and SciPy."""

import importlib.util
from pathlib import Path

_SPEC = importlib.util.spec_from_file_location("plain_nrqm", Path(__file__).parents[2] / "benchmarks" / "nrqm.py")
plain = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(plain)
