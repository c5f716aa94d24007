"""The verb: measure a folder of photos, decide which are worth learning from, and hand these out."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aimanga.atomic import remove_remains
from aimanga.batch import Journal, Record, Watcher, gather, journal
from aimanga.config import load, write_toml
from aimanga.curate.crops import detail_areas
from aimanga.curate.duplicates import find_groups
from aimanga.curate.manifest import Line, SavedCrop, write_manifest
from aimanga.curate.measure import Measures
from aimanga.curate.outputs import (
    PICTURES,
    Pictures,
    check_room,
    crop_name,
    hand_out,
    plan_handout,
    take_back,
)
from aimanga.curate.plan import CurateOptions, CuratePlan, plan_curation
from aimanga.curate.report import write_report
from aimanga.curate.screening import Screening
from aimanga.curate.select import Candidate, Keep, Reason, select
from aimanga.curate.survey import Known, gray_of, survey_file, survey_key, tiles_of
from aimanga.errors import UsageError
from aimanga.options import MAX_PIXELS

JOURNAL = "measures.jsonl"
SCREENING = "screening.toml"
REPORT = "report.html"


@dataclass(frozen=True)
class Decisions:
    """What has become of the pictures, before anything is handed out.

    Attributes:
        lines: The manifest.
        measured: How many were measured now; the others were known from a former run, or failed.
        seconds: How long it took.
    """

    lines: tuple[Line, ...]
    measured: int
    seconds: float

    @property
    def kept(self) -> int:
        """How many pictures are kept."""
        return sum(line.kept for line in self.lines)

    @property
    def files(self) -> int:
        """How many of them have files to be made."""
        return sum(bool(line.outputs) for line in self.lines)

    @property
    def crops(self) -> int:
        """How many crops they give."""
        return sum(len(line.crops) for line in self.lines)

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many pictures each reason has rejected, the most frequent one first; some have several."""
        return dict(Counter(reason.name for line in self.lines for reason in line.reasons).most_common())


@dataclass(frozen=True)
class CurateReport:
    """The result of a screening.

    Attributes:
        decisions: A line a picture.
        files: What became of the copies, links and crops, by the picture they are of.
        removed: How many files of a former selection were removed.
        orphans: Files of a former selection that stay, since their sources have gone.
        seconds: How long it took, measuring included.
    """

    decisions: Decisions
    files: tuple[Record, ...]
    removed: int
    orphans: tuple[str, ...]
    seconds: float

    @property
    def failed(self) -> tuple[str, ...]:
        """Why pictures could not be read, or their files not be made: a line for each."""
        unread = (reason.words for line in self.decisions.lines for reason in line.reasons if reason.name == UNREADABLE)
        unmade = (record.error for record in self.files if record.error is not None)
        return (*unread, *unmade)

    @property
    def exit_code(self) -> int:
        """0: every picture was read and every file made; 1: some were not."""
        return 1 if self.failed else 0


UNREADABLE = "unreadable"


def curate_files(
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    screening: Screening | str | Path | None = None,
    keep: Keep = None,
    crops: int | None = None,
    per_image: int = 1,
    avoid_blur: bool = False,
    avoid_text: bool = False,
    pictures: Pictures | None = None,
    recursive: bool = False,
    max_pixels: int = MAX_PIXELS,
    first_page: bool = False,
    jobs: int = 1,
    watcher: Watcher | None = None,
) -> CurateReport:
    """Keep the pictures that are worth learning from.

    `output` gets `manifest.jsonl`, a line for every picture with its scores, the decision and the reasons;
    `report.html`, the same to look at; `screening.toml`, the thresholds; and the kept pictures in `pictures`, or their
    crops in `crops`. What was measured is kept there, too: a second call measures nothing again, whatever its
    thresholds, and a call that was interrupted goes on. Files of a former selection that the new one does not have are
    removed. The order of the files and the number of processes change nothing.

    Args:
        inputs: A file, a folder, or several of them.
        output: The folder.
        screening: The thresholds, or a TOML file with them; None for the defaults.
        keep: How many of those that pass: a number, or a share (a float, 0 to 1); None for all.
        crops: Side in pixels of the squares with the most detail to cut out of each kept picture; None for none.
        per_image: At most so many squares of each picture.
        avoid_blur: Cut no squares with a background out of focus.
        avoid_text: Cut no squares with letters.
        pictures: Whether the kept pictures are copied or linked, or nothing is written but manifest and report
            (`none`); None for copies, or with `crops` for these alone.
        recursive: Enter subfolders; they are mirrored.
        max_pixels: Refuse larger pictures.
        first_page: Of an animation or a file of several pages take the first one, instead of refusing it.
        jobs: Number of processes; as for `aimanga.upscale_files`.
        watcher: Told how it goes on.

    Returns:
        The decisions, and what became of the files.

    Raises:
        UsageError: The request is impossible, or fewer pictures pass than are to be kept; nothing was handed out.
        ResourceError: There is too little room on the disk; likewise.
        KeyboardInterrupt: Ctrl-C; what was measured stays.
    """
    if not isinstance(screening, Screening):
        screening = Screening() if screening is None else load(Screening, Path(screening))
    options = CurateOptions(screening, keep, crops, per_image, avoid_blur, avoid_text, pictures, max_pixels, first_page)
    planned = plan_curation(inputs, output, options, recursive=recursive)
    with opened(planned) as known:
        decisions = decide(planned, known, jobs=jobs, watcher=watcher)
        return run_curation(planned, decisions, known, jobs=jobs, watcher=watcher)


@contextmanager
def opened(planned: CuratePlan) -> Iterator[Journal]:
    """Open what is known of the pictures of a plan; one run at a time has it.

    Raises:
        UsageError: Another run has it.
    """
    planned.output.mkdir(parents=True, exist_ok=True)
    remove_remains(planned.output)
    with journal(planned.output / JOURNAL) as known:
        yield known


def decide(planned: CuratePlan, known: Journal, *, jobs: int = 1, watcher: Watcher | None = None) -> Decisions:
    """Measure the pictures and decide; arguments and errors as for `curate_files`. Only the measures are written."""
    if jobs < 1:
        raise UsageError(f"--jobs {jobs}: at least one process is needed")
    options = planned.options
    batch = gather(
        partial(survey_file, max_pixels=options.max_pixels, first_page=options.first_page),
        [job.source for job in planned.jobs],
        known,
        key=partial(survey_key, max_pixels=options.max_pixels, first_page=options.first_page),
        workers=jobs,
        watcher=watcher,
    )
    lines, grays = [], []
    for job, record in zip(planned.jobs, batch.records, strict=True):
        name = job.target.as_posix()
        if record.error is not None:
            lines.append(_unread(job.source, name, record.error))
            continue
        values = known.values(job.source)
        line = _read(job.source, name, values)
        if line.measures is not None:
            grays.append(gray_of(values))
            if options.crops is not None:
                line = replace(line, crops=_crops(line, options, values))
        lines.append(line)
    lines = _selected(_grouped(lines, grays), options)
    return Decisions(tuple(_with_outputs(line, options) for line in lines), batch.count("done"), batch.seconds)


def run_curation(
    planned: CuratePlan, decisions: Decisions, known: Journal, *, jobs: int = 1, watcher: Watcher | None = None
) -> CurateReport:
    """Hand out what was decided; arguments and errors as for `curate_files`."""
    begin = time.perf_counter()
    options, output = planned.options, planned.output
    pictures = options.pictures or "copy"
    handout = plan_handout(planned.former, decisions.lines, output, pictures)
    check_room(handout, output)
    write_toml(options.screening, output / SCREENING, "The thresholds of this screening: a start for others.")
    take_back(handout, output)
    write_manifest(handout.lines, output)
    files = hand_out(
        handout,
        output,
        pictures,
        max_pixels=options.max_pixels,
        first_page=options.first_page,
        jobs=jobs,
        watcher=watcher,
    )
    write_report(output / REPORT, handout.lines, known, options.screening)
    seconds = decisions.seconds + time.perf_counter() - begin
    return CurateReport(
        replace(decisions, lines=handout.lines), files.records, len(handout.remove), handout.orphans, seconds
    )


def _unread(source: Path, name: str, error: str) -> Line:
    reasons = (Reason(UNREADABLE, error),)
    return Line(str(source.absolute()), name, 0, 0, reasons, None, 0.0, None, None, None, (), 0, 0)


def _read(source: Path, name: str, values: Known) -> Line:
    line = Line(
        file=str(source.absolute()),
        name=name,
        width=values["width"],
        height=values["height"],
        reasons=(),
        measures=Measures.of(values),
        merit=0.0,
        group=None,
        scene=None,
        output=None,
        crops=(),
        bytes=values["bytes"],
        modified=values["modified"],
    )
    return replace(line, merit=_candidate(line).merit)


def _candidate(line: Line, problem: Reason | None = None) -> Candidate:
    return Candidate(line.name, line.width, line.height, line.measures, line.group, line.scene, problem)


def _grouped(lines: Sequence[Line], grays: Sequence[npt.NDArray[np.uint8]]) -> list[Line]:
    """The lines with their groups of near-duplicates and their scenes; a thumbnail for each that has measures."""
    measured = iter(find_groups(np.stack(grays)) if grays else ())
    return [line if line.measures is None else replace(line, **next(measured)) for line in lines]


def _selected(lines: Sequence[Line], options: CurateOptions) -> list[Line]:
    candidates = []
    for line in lines:
        if not line.reasons:
            lacking = options.crops is not None and line.measures is not None and not line.crops
            problem = Reason("crops", f"has no square of {options.crops} pixels to cut out") if lacking else None
            candidates.append(_candidate(line, problem))
    reasons = iter(select(candidates, options.screening, options.keep))
    return [line if line.reasons else replace(line, reasons=next(reasons)) for line in lines]


def _crops(line: Line, options: CurateOptions, values: Known) -> tuple[SavedCrop, ...]:
    found = detail_areas(
        tiles_of(values),
        line.width,
        line.height,
        options.crops or 0,
        options.per_image,
        avoid_blur=options.avoid_blur,
        avoid_text=options.avoid_text,
    )
    return tuple(SavedCrop(crop, None) for crop in found)


def _with_outputs(line: Line, options: CurateOptions) -> Line:
    """The line with what is to be made of it: nothing, where the picture is not kept."""
    if not line.kept:
        return replace(line, crops=())
    if options.pictures == "none":
        return line
    # Where there are crops, they are what is learned from; a copy of everything as well has to be asked for.
    whole = options.crops is None or options.pictures is not None
    crops = tuple(SavedCrop(saved.crop, crop_name(line.name, saved.crop.box)) for saved in line.crops)
    return replace(line, output=f"{PICTURES}/{line.name}" if whole else None, crops=crops)
