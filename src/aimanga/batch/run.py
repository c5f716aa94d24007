"""Run one function over many files: resumable, in parallel, one bad file never stopping the rest."""

import hashlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from aimanga.atomic import remove_remains
from aimanga.batch.plan import Job
from aimanga.batch.report import Detail, Record, Report
from aimanga.errors import AimangaError

Tick = Callable[[float], None]
"""Told now and then the share of the work that is done, 0 to 1."""

Work = Callable[[Path, Path, Tick], Mapping[str, Detail]]
"""Makes the target of a source, atomically; tells the share that is done; returns what is worth reporting."""


class Watcher(Protocol):
    """Is told how a batch goes on."""

    def started(self, job: Job) -> None:
        """A job begins."""

    def advanced(self, job: Job, share: float) -> None:
        """This share of a job, 0 to 1, is done. Not told of jobs in other processes."""

    def finished(self, job: Job, record: Record) -> None:
        """A job has come to its end, whichever."""


class Unwatched:
    """A watcher that does nothing."""

    def started(self, job: Job) -> None:
        """Nothing."""

    def advanced(self, job: Job, share: float) -> None:
        """Nothing."""

    def finished(self, job: Job, record: Record) -> None:
        """Nothing."""


def run(
    work: Work,
    jobs: Sequence[Job],
    *,
    workers: int = 1,
    overwrite: bool = False,
    report: Path | None = None,
    ignored: int = 0,
    watcher: Watcher | None = None,
) -> Report:
    """Run `work` for every job.

    A job whose target is there already is skipped: since targets are written atomically, it is finished. What
    a killed run left half-written is removed. A job that fails is reported and the others go on; a worker
    process that dies (killed for its memory, crashed in a codec) costs only its own job.

    With one worker everything runs in the calling thread, where Ctrl-C takes effect at once.

    Args:
        work: The function; for several workers it must be picklable, and the caller's script importable.
        jobs: What to do.
        workers: Number of processes.
        overwrite: Make targets that are there already again.
        report: A file to which one line of JSON is appended for each job as it ends.
        ignored: Handed on to the report.
        watcher: Told how it goes on.

    Returns:
        The report, in the order of the jobs.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed. Finished targets stay, nothing half-written does, and the same
            call later goes on from there.
        OSError: A folder for the targets, or the report, cannot be written.
    """
    begin = time.perf_counter()
    watcher = watcher or Unwatched()
    folders = {job.target.parent for job in jobs}
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        remove_remains(folder)
    # os.path: a name that the file system does not take is one failed job, not the end of the batch.
    waiting = [job for job in jobs if overwrite or not os.path.isfile(job.target)]  # noqa: PTH113
    todo = set(waiting)
    records = {job: Record(job.source, job.target, "skipped") for job in jobs if job not in todo}
    with _appending(report) as write_line:
        for job, record in records.items():
            write_line(record)
            watcher.finished(job, record)
        runner = _run_here(work, waiting, watcher)
        if workers > 1 and len(waiting) > 1:
            runner = _run_in_processes(work, waiting, min(workers, len(waiting)), watcher)
        try:
            for job, record in runner:
                records[job] = record
                write_line(record)
                watcher.finished(job, record)
        finally:
            runner.close()
            for folder in folders:
                remove_remains(folder)
    return Report(tuple(records[job] for job in jobs), ignored, time.perf_counter() - begin)


Results = Generator[tuple[Job, Record], None, None]


@contextmanager
def _appending(report: Path | None) -> Iterator[Callable[[Record], None]]:
    if report is None:
        yield lambda record: None
        return
    report.parent.mkdir(parents=True, exist_ok=True)
    # Line-buffered: a killed run's report ends after the last finished file.
    with report.open("a", encoding="utf-8", errors="backslashreplace", buffering=1) as file:

        def write_line(record: Record) -> None:
            file.write(record.to_json() + "\n")

        yield write_line


def _attempt(work: Work, job: Job, tick: Tick) -> Record:
    start = time.perf_counter()
    error: str | None = None
    sha256: str | None = None
    details: Mapping[str, Detail] = {}
    try:
        details = work(job.source, job.target, tick)
        with job.target.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except (AimangaError, OSError) as problem:
        error = str(problem)
    except MemoryError:
        error = f"{job.source}: not enough memory"
    except Exception as problem:  # a bug must not end ten thousand other files; the place is reported
        frame = traceback.extract_tb(problem.__traceback__)[-1]
        error = f"{type(problem).__name__}: {problem} ({Path(frame.filename).name}:{frame.lineno})"
    seconds = time.perf_counter() - start
    if error is not None:
        error = " ".join(error.split())
    return Record(job.source, job.target, "failed" if error else "done", seconds, error, sha256, details)


def _run_here(work: Work, jobs: Sequence[Job], watcher: Watcher) -> Results:
    for job in jobs:
        watcher.started(job)
        yield job, _attempt(work, job, partial(watcher.advanced, job))


def _run_in_processes(work: Work, jobs: Sequence[Job], workers: int, watcher: Watcher) -> Results:
    waiting = deque(jobs)
    while waiting:
        # If the pool breaks, the guilty job is one of those that ran: each is tried again by itself.
        suspects = yield from _run_pool(work, waiting, workers, watcher)
        for suspect in suspects:
            broken = yield from _run_pool(work, deque([suspect]), 1, watcher)
            if broken:
                reason = "its worker process died (crashed, or killed for its memory)"
                yield (
                    suspect,
                    Record(suspect.source, suspect.target, "failed", error=f"{suspect.source}: {reason}"),
                )


def _run_pool(
    work: Work, waiting: deque[Job], workers: int, watcher: Watcher
) -> Generator[tuple[Job, Record], None, list[Job]]:
    """Run jobs until none waits or the pool breaks; return those that ran when it broke."""
    threads = max(1, (os.cpu_count() or 1) // workers)
    context = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    running: dict[Future[Record], Job] = {}
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(threads,))
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                running[pool.submit(_attempt, work, waiting[0], _no_tick)] = waiting[0]
                watcher.started(waiting.popleft())
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            # What succeeded before the pool broke is kept, so it comes first.
            for future in sorted(finished, key=lambda future: future.exception() is not None):
                record = future.result()
                yield running.pop(future), record
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
