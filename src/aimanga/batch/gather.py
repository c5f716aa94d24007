"""Run one function over many files and keep the returned values in a journal."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from aimanga.batch.journal import Journal, Json
from aimanga.batch.plan import Job
from aimanga.batch.pool import attempts
from aimanga.batch.report import Record, Report
from aimanga.batch.watcher import Tick, Watcher, reporting
from aimanga.errors import AimangaError

Measure = Callable[[Path, Tick], Mapping[str, Json]]
"""Computes the values of a source; calls its `Tick` with the share that is done."""


def gather(
    work: Measure,
    sources: Sequence[Path],
    journal: Journal,
    *,
    key: Callable[[Path], str],
    intact: Callable[[Path], bool] = lambda source: True,
    workers: int = 1,
    apart: bool = False,
    report: Path | None = None,
    line: Callable[[Record], str] = Record.to_json,
    watcher: Watcher | None = None,
) -> Report:
    """Run `work` for every source, and keep what it returns.

    A source of which the journal holds values under the same key is skipped. Failing sources, dying workers and
    Ctrl-C are handled as in `run`. A source that failed is tried again by the next call.

    Args:
        work: The function; for several workers it must be picklable, and the caller's script importable.
        sources: The files.
        journal: Where the values are stored.
        key: Returns all that the values of a source depend on, as `aimanga.hashing.file_key` does. Called before any
            work begins, so that a file that changes meanwhile is processed again by the next call.
        intact: Whether the values of a source are still valid: the file that they describe exists, say.
        workers: Number of processes.
        apart: Run even a single worker in a process of its own.
        report: A file to which a line is appended for each source as it ends.
        line: What to write there; the values are in the journal already.
        watcher: Callbacks for progress; the target of its jobs is the journal.

    Returns:
        The report, in the order of the sources; its records have no output.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; the same call later resumes.
        OSError: The journal or the report cannot be written; what was appended before is kept.
    """
    begin = time.perf_counter()
    jobs = [Job(source, journal.path) for source in sources]
    keys: dict[Job, str] = {}
    records: dict[Job, Record] = {}
    for job in jobs:
        try:
            keys[job] = key(job.source)
        except (AimangaError, OSError) as problem:
            records[job] = Record(job.source, None, "failed", error=" ".join(str(problem).split()))
        else:
            if journal.holds(job.source, keys[job]) and intact(job.source):
                records[job] = Record(job.source, None, "skipped")
    with reporting(report, watcher, line) as watching:
        watching.on_batch(jobs)
        for job, record in records.items():
            watching.on_end(job, record)
        waiting = [job for job in keys if job not in records]
        with closing(
            attempts(partial(_measure, work), waiting, workers=workers, watcher=watching, apart=apart)
        ) as ending:
            for job, attempt in ending:
                records[job] = Record(job.source, None, "failed", attempt.seconds, attempt.error)
                if attempt.result is not None:
                    journal.append(job.source, keys[job], attempt.result)
                    records[job] = Record(job.source, None, "done", attempt.seconds)
                watching.on_end(job, records[job])
    return Report(tuple(records[job] for job in jobs), 0, time.perf_counter() - begin)


def _measure(work: Measure, job: Job, tick: Tick) -> Mapping[str, Json]:
    return work(job.source, tick)
