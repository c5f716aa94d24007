"""Attempt many jobs, here or in several processes: an error or a dying worker costs only its own job."""

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from aimanga.batch.plan import Job
from aimanga.batch.watcher import Tick, Watcher
from aimanga.errors import AimangaError

Result = TypeVar("Result")


@dataclass(frozen=True)
class Attempt(Generic[Result]):
    """The outcome of a job.

    Attributes:
        result: What the work returned; None where it failed.
        error: Why it failed, in one line; None where it did not.
        seconds: How long it took.
    """

    result: Result | None
    error: str | None
    seconds: float


Attempts = Generator[tuple[Job, Attempt[Result]], None, None]


def attempts(
    work: Callable[[Job, Tick], Result], jobs: Sequence[Job], *, workers: int, watcher: Watcher, apart: bool = False
) -> Attempts[Result]:
    """Attempt every job and yield its outcome when it ends.

    With one worker, or one job, everything runs in the calling thread, where Ctrl-C takes effect at once.

    Args:
        work: The function; for several workers it must be picklable, and the caller's script importable.
        jobs: What to do.
        workers: Number of processes.
        watcher: `on_start` and `on_progress` are called; `on_end` is left to the caller.
        apart: Run even a single worker in a process of its own.

    Yields:
        Jobs and their outcomes, in the order in which they end. Closing the generator kills the processes.
    """
    if apart or (workers > 1 and len(jobs) > 1):
        return _in_processes(work, jobs, min(workers, len(jobs)), watcher)
    return _here(work, jobs, watcher)


def _attempt(work: Callable[[Job, Tick], Result], job: Job, tick: Tick) -> Attempt[Result]:
    start = time.perf_counter()
    result: Result | None = None
    error: str | None = None
    try:
        result = work(job, tick)
    except (AimangaError, OSError) as problem:
        error = str(problem)
    except MemoryError:
        error = f"{job.source}: not enough memory"
    except Exception as problem:  # a bug must not end ten thousand other files; the place is reported
        frame = traceback.extract_tb(problem.__traceback__)[-1]
        error = f"{type(problem).__name__}: {problem} ({Path(frame.filename).name}:{frame.lineno})"
    return Attempt(result, error and " ".join(error.split()), time.perf_counter() - start)


def _here(work: Callable[[Job, Tick], Result], jobs: Sequence[Job], watcher: Watcher) -> Attempts[Result]:
    for job in jobs:
        watcher.on_start(job)
        yield job, _attempt(work, job, partial(watcher.on_progress, job))


def _in_processes(
    work: Callable[[Job, Tick], Result], jobs: Sequence[Job], workers: int, watcher: Watcher
) -> Attempts[Result]:
    waiting = deque(jobs)
    while waiting:
        # If the pool breaks, the guilty job is one of those that ran: each is tried again by itself.
        suspects = yield from _run_pool(work, waiting, workers, watcher)
        for suspect in suspects:
            broken = yield from _run_pool(work, deque([suspect]), 1, watcher)
            if broken:
                reason = "its worker process died (crashed, or killed for its memory)"
                yield suspect, Attempt(None, f"{suspect.source}: {reason}", 0.0)


def _run_pool(
    work: Callable[[Job, Tick], Result], waiting: deque[Job], workers: int, watcher: Watcher
) -> Generator[tuple[Job, Attempt[Result]], None, list[Job]]:
    """Run jobs until none waits or the pool breaks; return those that ran when it broke."""
    threads = max(1, (os.cpu_count() or 1) // workers)
    context = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    running: dict[Future[Attempt[Result]], Job] = {}
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(threads,))
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                running[pool.submit(_attempt, work, waiting[0], _no_tick)] = waiting[0]
                watcher.on_start(waiting.popleft())
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            # What succeeded before the pool broke is kept, so it comes first.
            for future in sorted(finished, key=lambda future: future.exception() is not None):
                attempt = future.result()
                yield running.pop(future), attempt
    except BrokenProcessPool:
        return list(running.values())
    except BaseException:
        for process in set(multiprocessing.active_children()) - before:
            process.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return []


def _start_worker(threads: int) -> None:
    """Prepare a worker process: its share of the cores, Ctrl-C left to the parent, no life after it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    for variable in ("OMP_NUM_THREADS", "VIPS_CONCURRENCY"):
        os.environ.setdefault(variable, str(threads))


def _die_with_parent() -> None:
    # A killed parent cannot end its workers: they would wait for work for ever, each with a model in memory.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _no_tick(share: float) -> None:
    """Progress within a file is not sent between processes."""
