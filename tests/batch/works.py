"""Works for the tests: each makes of a file one with the same content, or finds its values, or does neither."""

import os
import resource
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from aimanga.atomic import replacing
from aimanga.batch import Job, gather, journal, run
from aimanga.errors import PictureError


def read(source, tick):
    tick(0.5)
    if source.name.startswith("bad"):
        raise PictureError(f"{source}: is bad")
    if source.name.startswith("bug"):
        raise ZeroDivisionError("a bug")
    if source.name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGKILL)
    return {"text": source.read_text(), "size": source.stat().st_size}


def copy(source, target, tick):
    values = read(source, tick)
    with replacing(target) as part:
        part.write_bytes(source.read_bytes())
    return {"size": values["size"]}


def slow_copy(source, target, tick):
    with replacing(target) as part:
        part.write_bytes(source.read_bytes()[:1])
        time.sleep(0.15)
        part.write_bytes(source.read_bytes())
    return {}


def slow_read(source, tick):
    time.sleep(0.15)
    return read(source, tick)


def state(source):
    """A key."""
    return f"{source.stat().st_size} {source.stat().st_mtime_ns}"


@contextmanager
def full_disk(path, size):
    """No file can grow beyond the size of `path` and `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def make_jobs(folder, names):
    (folder / "in").mkdir(exist_ok=True)
    for name in names:
        (folder / "in" / name).write_bytes(os.fsencode(f"content of {name}"))
    return [Job(folder / "in" / name, folder / "out" / name) for name in names]


if __name__ == "__main__":
    what, folder, workers = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    jobs = make_jobs(folder, sys.argv[4:])
    if what == "run":
        run(slow_copy, jobs, workers=workers, report=folder / "report.jsonl")
    else:
        with journal(folder / "journal") as kept:
            gather(slow_read, [job.source for job in jobs], kept, key=state, workers=workers)
