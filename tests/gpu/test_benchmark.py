import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_benchmark_of_gpus_runs_dry():
    """With small sizes on the CPU, so that it does not fail on the machine that it is made for."""
    command = [
        sys.executable,
        ROOT / "benchmarks" / "gpu.py",
        "--dry-run",
        "--only",
        "upscale",
        "degrade",
        "train",
        "resume",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for title in ("Upscaling", "Degradation, samples/s", "Training, batch 2", "Waiting for data", "Resume"):
        assert f"## {title}" in done.stdout
    assert "| finished | 2 | finished | 4 |" in done.stdout
