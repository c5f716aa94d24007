"""Run one function over many files: find them, name results, resume, report."""

from aimanga.batch.gather import Measure, gather
from aimanga.batch.journal import Journal, Json, journal
from aimanga.batch.plan import Job, Paths, Plan, as_paths, find, plan
from aimanga.batch.progress import ProgressDisplay
from aimanga.batch.report import Detail, Record, Report, Status
from aimanga.batch.run import Work, run
from aimanga.batch.watcher import Forwarding, Tick, Watcher

__all__ = [
    "Detail",
    "Forwarding",
    "Job",
    "Journal",
    "Json",
    "Measure",
    "Paths",
    "Plan",
    "ProgressDisplay",
    "Record",
    "Report",
    "Status",
    "Tick",
    "Watcher",
    "Work",
    "as_paths",
    "find",
    "gather",
    "journal",
    "plan",
    "run",
]
