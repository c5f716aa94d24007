import multiprocessing
import time

import pytest

from aimanga.batch import Job, Watcher
from aimanga.batch.pool import attempts
from tests.batch.works import make_jobs, read


def read_job(job, tick):
    return read(job.source, tick)["text"]


def sleep(job, tick):
    if job.source.name != "a":
        time.sleep(60)


def test_a_worker_that_dies_costs_only_its_own_job(tmp_path):
    names = ["a", "crash-1", "b", "c", "crash-2", "d"]
    ended = dict(attempts(read_job, make_jobs(tmp_path, names), workers=2, watcher=Watcher()))
    texts = {job.source.name: attempt.result for job, attempt in ended.items()}
    assert texts == {name: None if "crash" in name else f"content of {name}" for name in names}
    errors = {job.source.name: attempt.error for job, attempt in ended.items() if attempt.error}
    assert errors.keys() == {"crash-1", "crash-2"}
    assert errors["crash-1"] == f"{tmp_path}/in/crash-1: its worker process died (crashed, or killed for its memory)"


def test_closing_it_ends_the_processes(tmp_path):
    ending = attempts(sleep, make_jobs(tmp_path, ["a", "b"]), workers=2, watcher=Watcher())
    assert next(ending)[0].source.name == "a"
    begin = time.monotonic()
    ending.close()
    assert time.monotonic() - begin < 5 and not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "disk\nfull"), "[Errno 28] disk full"),
        (MemoryError(), "{source}: not enough memory"),
        (KeyError("x"), "KeyError: 'x' (test_pool.py:"),
    ],
)
def test_an_error_is_one_line(tmp_path, error, message):
    def fail(job, tick):
        raise error

    source = tmp_path / "a"
    ((_, attempt),) = attempts(fail, [Job(source, tmp_path)], workers=1, watcher=Watcher())
    assert attempt.result is None and attempt.error.startswith(message.format(source=source))
