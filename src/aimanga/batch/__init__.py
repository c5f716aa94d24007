"""Run one function over many files: found, named, resumed, reported."""

from aimanga.batch.plan import Job, Plan, find, plan
from aimanga.batch.progress import ProgressDisplay, printable
from aimanga.batch.report import Detail, Record, Report
from aimanga.batch.run import Tick, Unwatched, Watcher, Work, run

__all__ = [
    "Detail",
    "Job",
    "Plan",
    "ProgressDisplay",
    "Record",
    "Report",
    "Tick",
    "Unwatched",
    "Watcher",
    "Work",
    "find",
    "plan",
    "printable",
    "run",
]
