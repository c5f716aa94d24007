"""Works for the tests: each makes of a file one with the same content, or does not."""

import os
import signal
import sys
import time
from pathlib import Path

from aimanga.atomic import replacing
from aimanga.batch import Job, run
from aimanga.errors import PictureError


def copy(source, target, tick):
    tick(0.5)
    if source.name.startswith("bad"):
        raise PictureError(f"{source}: is bad")
    if source.name.startswith("bug"):
        raise ZeroDivisionError("a bug")
    if source.name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGKILL)
    with replacing(target) as part:
        part.write_bytes(source.read_bytes())
    return {"size": source.stat().st_size}


def slow_copy(source, target, tick):
    with replacing(target) as part:
        part.write_bytes(source.read_bytes()[:1])
        time.sleep(0.15)
        part.write_bytes(source.read_bytes())
    return {}


def make_jobs(folder, names):
    (folder / "in").mkdir(exist_ok=True)
    for name in names:
        (folder / "in" / name).write_bytes(os.fsencode(f"content of {name}"))
    return [Job(folder / "in" / name, folder / "out" / name) for name in names]


if __name__ == "__main__":
    folder, workers = Path(sys.argv[1]), int(sys.argv[2])
    run(slow_copy, make_jobs(folder, sys.argv[3:]), workers=workers, report=folder / "report.jsonl")
