"""Curate a folder of photos: measure them, select those worth training on, and write these."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from aimanga.atomic import remove_remains
from aimanga.batch import Journal, Paths, Record, Watcher, gather, journal
from aimanga.config import write_toml
from aimanga.curate.crops import Crop, detailed_crops
from aimanga.curate.duplicates import find_groups
from aimanga.curate.manifest import UNREADABLE, ManifestEntry, Reason, write_manifest
from aimanga.curate.measure import Measures
from aimanga.curate.options import CurateOptions
from aimanga.curate.outputs import PICTURES, check_space, crop_name, plan_outputs, remove_outputs, write_outputs
from aimanga.curate.plan import CuratePlan, plan_curation
from aimanga.curate.report import write_report
from aimanga.curate.select import select
from aimanga.curate.survey import Survey, gray_of, survey_file, survey_key, tiles_of
from aimanga.options import with_options

JOURNAL = "measures.jsonl"
SCREENING = "screening.toml"
REPORT = "report.html"


@dataclass(frozen=True)
class CurateReport:
    """The result of `curate_files`.

    Attributes:
        entries: The manifest: an entry a picture.
        measured: How many pictures were measured now; the scores of the others were cached, or they failed.
        files: A record for each copy or link, and one for all crops of a picture.
        removed: How many files of the previous selection were removed.
        orphans: Files of the previous selection that stay, since their sources are gone or have changed.
        seconds: Duration of everything.
    """

    entries: tuple[ManifestEntry, ...]
    measured: int
    files: tuple[Record, ...] = ()
    removed: int = 0
    orphans: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def kept(self) -> int:
        """How many pictures are selected."""
        return sum(entry.kept for entry in self.entries)

    @property
    def crops(self) -> int:
        """How many crops they have."""
        return sum(len(entry.crops) for entry in self.entries)

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many pictures are rejected for each reason, the most frequent first; some have several."""
        return dict(Counter(reason.name for entry in self.entries for reason in entry.reasons).most_common())

    @property
    def failed(self) -> tuple[str, ...]:
        """Why pictures could not be read, or files not be written: a line for each."""
        unread = (reason.words for entry in self.entries for reason in entry.reasons if reason.name == UNREADABLE)
        return (*unread, *(record.error for record in self.files if record.error is not None))

    @property
    def exit_code(self) -> int:
        """0: every picture was read and every file written; 1: some failed."""
        return 1 if self.failed else 0


@with_options
def curate_files(
    inputs: Paths,
    output: str | Path,
    options: CurateOptions = CurateOptions(),
    *,
    watcher: Watcher | None = None,
) -> CurateReport:
    """Select the pictures that are worth training on: `curate_files("photos", "out", keep=0.5, recursive=True)`.

    `output` gets `manifest.jsonl`, a line for every picture with its scores, the decision and the reasons;
    `report.html`, which shows the same; `screening.toml`, the thresholds; and the selected pictures in `pictures`, or
    their crops in `crops`. Scores are cached there, so a second call measures nothing again, whatever its thresholds,
    and an interrupted call resumes. Files of the previous selection that the new one lacks are removed. The order of
    the files and the number of processes change nothing.

    Args:
        inputs: A file, a folder, or several of them.
        output: The output folder.
        options: How; each option can also be given as a keyword, and so can each threshold of `Screening`. A script
            that asks for several `jobs` needs the `if __name__ == "__main__":` of Python's multiprocessing.
        watcher: Callbacks for plan and progress; `on_plan` gets a `CuratePlan`.

    Returns:
        The manifest, and a record for each file that was written.

    Raises:
        UsageError: The request is impossible, or fewer pictures pass than are to be kept; no picture was written.
        ResourceError: The results do not fit on the disk; likewise.
        KeyboardInterrupt: Ctrl-C; what was measured stays.
    """
    begin = time.perf_counter()
    watcher = watcher or Watcher()
    plan = plan_curation(inputs, output, options)
    watcher.on_plan(plan)
    plan.output.mkdir(parents=True, exist_ok=True)
    remove_remains(plan.output)
    with journal(plan.output / JOURNAL) as surveys:
        selection = _selection(plan, surveys, watcher)
        outputs = plan_outputs(plan.previous, selection.entries, plan.output, options.pictures or "copy")
        check_space(outputs, plan.output)
        write_toml(options.screening, plan.output / SCREENING, "The thresholds of this selection.")
        remove_outputs(outputs, plan.output)
        write_manifest(outputs.entries, plan.output)
        files = write_outputs(outputs, plan.output, options, jobs=options.jobs or 1, watcher=watcher)
        write_report(plan.output / REPORT, outputs.entries, surveys, options.screening)
    return CurateReport(
        outputs.entries,
        selection.measured,
        files,
        len(outputs.remove),
        outputs.orphans,
        time.perf_counter() - begin,
    )


def _selection(plan: CuratePlan, surveys: Journal, watcher: Watcher) -> CurateReport:
    """Measure the pictures and select; only the journal is written."""
    options = plan.options
    batch = gather(
        partial(survey_file, max_pixels=options.max_pixels, first_page=options.first_page),
        [job.source for job in plan.jobs],
        surveys,
        key=partial(survey_key, max_pixels=options.max_pixels, first_page=options.first_page),
        workers=options.jobs or 1,
        watcher=watcher,
    )
    entries, grays = [], []
    for job, record in zip(plan.jobs, batch.records, strict=True):
        entry = ManifestEntry(str(job.source.absolute()), job.target.as_posix())
        if record.error is not None:
            entries.append(replace(entry, reasons=(Reason(UNREADABLE, record.error),)))
            continue
        survey = surveys.values(job.source)
        if (measures := Measures.of(survey)) is not None:
            grays.append(gray_of(survey))
            entry = replace(entry, measures=measures, crops=_crops(survey, options))
        size = {name: survey[name] for name in ("width", "height", "bytes", "modified")}
        entries.append(replace(entry, **size))
    groups = iter(find_groups(np.stack(grays)) if grays else ())
    entries = [entry if entry.measures is None else replace(entry, **next(groups)) for entry in entries]
    entries = select(entries, options.screening, options.keep, options.crops)
    return CurateReport(tuple(_with_outputs(entry, options) for entry in entries), batch.count("done"))


def _crops(survey: Survey, options: CurateOptions) -> tuple[Crop, ...]:
    if options.crops is None:
        return ()
    width, height, blur, text = survey["width"], survey["height"], options.avoid_blur, options.avoid_text
    return tuple(
        detailed_crops(
            tiles_of(survey), width, height, options.crops, options.per_image, avoid_blur=blur, avoid_text=text
        )
    )


def _with_outputs(entry: ManifestEntry, options: CurateOptions) -> ManifestEntry:
    """The entry with the files to write for it; none where the picture is rejected."""
    if not entry.kept:
        return replace(entry, crops=())
    if options.pictures == "none":
        return entry
    # Where there are crops, training uses them: whole pictures are written only when asked for.
    whole = options.crops is None or options.pictures is not None
    crops = tuple(replace(crop, output=crop_name(entry.name, crop.box)) for crop in entry.crops)
    return replace(entry, output=f"{PICTURES}/{entry.name}" if whole else None, crops=crops)
