"""`aimanga curate`."""

import os
from collections import Counter
from typing import TYPE_CHECKING

import typer

from aimanga.cli.console import say, say_left_out
from aimanga.cli.options import Inputs, Output, with_options
from aimanga.curate.options import CurateOptions
from aimanga.text import counted, duration

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from aimanga.curate import CurateReport


@with_options
def curate(inputs: Inputs, output: Output, options: CurateOptions) -> None:
    """OUTPUT gets a manifest, an HTML report, and the selected pictures or crops of them.

    Pictures that are blurred, enlarged, noisy, blocky, or copies of others are rejected. A second run measures nothing
    again: try other thresholds as often as you like.
    """
    from rich.console import Console

    from aimanga.batch import ProgressDisplay
    from aimanga.curate import CuratePlan, curate_files

    jobs = options.jobs or os.cpu_count() or 1

    class Display(ProgressDisplay):
        def on_plan(self, plan: object) -> None:
            assert isinstance(plan, CuratePlan)
            say(self.console, f"{counted(len(plan.jobs), 'picture')}, {jobs} at a time")
            say_left_out(self.console, plan.ignored, plan.subfolders)

    console = Console()
    with Display(console, lines={"failed"}) as display:
        report = curate_files(inputs, output, options.replaced(jobs=jobs), watcher=display)
    _say(console, report, output)
    raise typer.Exit(report.exit_code)


def _say(console: "Console", report: "CurateReport", output: "Path") -> None:
    total = len(report.entries)
    cached = total - report.measured - report.reasons.get("unreadable", 0)
    say(console, f"{report.measured} measured, {cached} cached")
    why = ", ".join(f"{name} {count}" for name, count in report.reasons.items())
    say(console, f"{report.kept} kept, {total - report.kept} rejected{f': {why}' if why else ''}")
    if report.crops:
        say(console, f"{counted(report.crops, 'crop')} of {counted(report.kept, 'picture')}")
    counts = Counter(record.status for record in report.files)
    if counts:
        say(console, ", ".join(f"{counts[status]} {status}" for status in ("done", "skipped", "failed")))
    if report.removed:
        say(console, f"{counted(report.removed, 'file')} of the previous selection removed")
    for orphan in report.orphans:
        say(console, f"kept      {output / orphan}: its source is gone or has changed")
    for name in ("manifest.jsonl", "report.html", "screening.toml"):
        say(console, f"written   {output / name}")
    say(console, f"in {duration(report.seconds)}")
