"""Run one function over many files, each of which gives a file: resumable, and one bad file never stops the rest."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from aimanga.atomic import remove_remains
from aimanga.batch.plan import Job
from aimanga.batch.pool import Attempt, attempts
from aimanga.batch.report import Detail, Record, Report
from aimanga.batch.watcher import Tick, Watcher, reporting
from aimanga.hashing import sha256_of

Work = Callable[[Path, Path, Tick], Mapping[str, Detail]]
"""Writes the target of a source atomically, calls its `Tick`, and returns details for the report."""


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

    A job whose target exists is skipped: targets are written atomically, so it is complete. Temporary files of a killed
    run are removed. A job that fails is reported and the others continue; a worker
    process that dies (killed for its memory, crashed in a codec) costs only its own job.

    With one worker everything runs in the calling thread, where Ctrl-C takes effect at once.

    Args:
        work: The function; for several workers it must be picklable, and the caller's script importable.
        jobs: What to do.
        workers: Number of processes.
        overwrite: Replace targets that exist.
        report: A file to which one line of JSON is appended for each job as it ends.
        ignored: Passed on to the report.
        watcher: Callbacks for progress.

    Returns:
        The report, in the order of the jobs.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed. Finished targets are kept, partial ones are not, and the same
            call later resumes.
        OSError: A folder for the targets, or the report, cannot be written.
    """
    begin = time.perf_counter()
    folders = {job.target.parent for job in jobs}
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        remove_remains(folder)
    # os.path: a name that the file system does not take is one failed job, not the end of the batch.
    waiting = [job for job in jobs if overwrite or not os.path.isfile(job.target)]  # noqa: PTH113
    todo = set(waiting)
    records = {job: Record(job.source, job.target, "skipped") for job in jobs if job not in todo}
    with reporting(report, watcher) as watching:
        watching.on_batch(jobs)
        for job, record in records.items():
            watching.on_end(job, record)
        try:
            with closing(attempts(partial(_make, work), waiting, workers=workers, watcher=watching)) as ending:
                for job, attempt in ending:
                    records[job] = _record(job, attempt)
                    watching.on_end(job, records[job])
        finally:
            for folder in folders:
                remove_remains(folder)
    return Report(tuple(records[job] for job in jobs), ignored, time.perf_counter() - begin)


def _make(work: Work, job: Job, tick: Tick) -> tuple[Mapping[str, Detail], str]:
    """The details of a target, and its digest."""
    details = work(job.source, job.target, tick)
    return details, sha256_of(job.target)


def _record(job: Job, attempt: Attempt[tuple[Mapping[str, Detail], str]]) -> Record:
    if attempt.result is None:
        return Record(job.source, job.target, "failed", attempt.seconds, attempt.error)
    details, sha256 = attempt.result
    return Record(job.source, job.target, "done", attempt.seconds, sha256=sha256, details=details)
