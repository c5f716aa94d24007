"""The verb: measure a folder of photos, decide which are worth learning from, and hand these out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from aimanga.batch import Job, Record, Watcher, gather, journal, plan
from aimanga.config import load, write_toml
from aimanga.curate.crops import detail_areas
from aimanga.curate.duplicates import find_groups
from aimanga.curate.manifest import MANIFEST, Line, SavedCrop, read_manifest, write_manifest
from aimanga.curate.outputs import Pictures, check_room, hand_out, take_back
from aimanga.curate.report import write_report
from aimanga.curate.screening import Screening
from aimanga.curate.select import Candidate, Keep, Reason, select
from aimanga.curate.survey import Known, gray_of, measures_of, survey_file, survey_key, tiles_of
from aimanga.errors import UsageError
from aimanga.images import MAX_PIXELS, READABLE_SUFFIXES

JOURNAL = "measures.jsonl"
SCREENING = "screening.toml"
REPORT = "report.html"


@dataclass(frozen=True)
class CurateOptions:
    """How pictures are screened; the fields are those of `curate_files`."""

    screening: Screening = field(default_factory=Screening)
    keep: Keep = None
    crops: int | None = None
    per_image: int = 1
    avoid_blur: bool = False
    avoid_text: bool = False
    pictures: Pictures = "copy"
    max_pixels: int = MAX_PIXELS
    first_page: bool = False


@dataclass(frozen=True)
class CuratePlan:
    """What `curate_files` is going to look at.

    Attributes:
        jobs: The pictures, and their names relative to the output; sorted.
        ignored: Files of the input folders that are not pictures.
        subfolders: Folders that are left out without recursion.
        output: The folder of the results.
        options: How they are screened.
    """

    jobs: tuple[Job, ...]
    ignored: int
    subfolders: int
    output: Path
    options: CurateOptions


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
    pictures: Pictures = "copy",
    recursive: bool = False,
    max_pixels: int = MAX_PIXELS,
    first_page: bool = False,
    jobs: int = 1,
    watcher: Watcher | None = None,
) -> CurateReport:
    """Keep the pictures that are worth learning from.

    `output` gets `manifest.jsonl`, a line for every picture with its scores, the decision and the reasons;
    `report.html`, the same to look at; `screening.toml`, the thresholds; and the kept pictures in `pictures`, or their
    crops in `crops`.
    What was measured is kept there, too: a second call measures nothing again, whatever its thresholds, and a call that
    was interrupted goes on. Files of a former selection that the new one does not have are removed. The order of the
    files and the number of processes change nothing.

    Args:
        inputs: A file, a folder, or several of them.
        output: The folder.
        screening: The thresholds, or a TOML file with them; None for the defaults.
        keep: How many of those that pass: a number, or a share (a float, 0 to 1); None for all.
        crops: Side in pixels of the squares with the most detail to cut out of each kept picture; None for none.
        per_image: At most so many squares of each picture.
        avoid_blur: Cut no squares with a background out of focus.
        avoid_text: Cut no squares with letters.
        pictures: Whether the kept pictures are copied, linked, or only named in the manifest (`none`).
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
    decisions = decide(planned, jobs=jobs, watcher=watcher)
    return run_curation(planned, decisions, jobs=jobs, watcher=watcher)


def plan_curation(
    inputs: str | Path | Sequence[str | Path], output: str | Path, options: CurateOptions, *, recursive: bool = False
) -> CuratePlan:
    """Find the pictures that `curate_files` would look at; arguments and errors as there. Nothing is written."""
    problems = []
    if (options.keep is not None and options.keep <= 0) or (isinstance(options.keep, float) and options.keep > 1):
        problems.append(f"--keep {options.keep}: a number of pictures, or a share between 0 and 1")
    if options.crops is not None and options.crops < 1:
        problems.append(f"--crops {options.crops}: the side of a square in pixels")
    if options.per_image < 1:
        problems.append(f"--per-image {options.per_image}: at least one square of each picture")
    if problems:
        raise UsageError("; ".join(problems))
    given = [Path(path) for path in ([inputs] if isinstance(inputs, str | Path) else inputs)]
    output = Path(output)
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output}: the results need a folder, and this is a file")
    if any(path.is_dir() and path.resolve() == output.resolve() for path in given):
        raise UsageError(f"{output}: the results need a folder of their own")
    # A single file's output may be the result itself; here it is always a folder, whatever its name.
    base = output if not output.suffix or output.is_dir() else output / "pictures"
    found = plan(given, base, suffixes=READABLE_SUFFIXES, result_name=lambda source: source.name, recursive=recursive)
    jobs = sorted((Job(job.source, job.target.relative_to(base)) for job in found.jobs), key=lambda job: job.target)
    return CuratePlan(tuple(jobs), found.ignored, found.subfolders, output, options)


def decide(planned: CuratePlan, *, jobs: int = 1, watcher: Watcher | None = None) -> Decisions:
    """Measure the pictures and decide; arguments and errors as for `curate_files`. Only the measures are written."""
    if jobs < 1:
        raise UsageError(f"--jobs {jobs}: at least one process is needed")
    options, output = planned.options, planned.output
    output.mkdir(parents=True, exist_ok=True)
    with journal(output / JOURNAL) as known:
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
            lines.append(_read(job.source, name, values, known.key(job.source)))
            if "gray" in values:
                grays.append(gray_of(values))
        lines = _grouped(lines, grays)
        lines = _selected(lines, options)
        names = _crop_names(lines)
        lines = [
            _with_outputs(line, names[line.name], options, known.values(Path(line.file))) if line.kept else line
            for line in lines
        ]
    return Decisions(tuple(lines), batch.count("done"), batch.seconds)


def run_curation(
    planned: CuratePlan, decisions: Decisions, *, jobs: int = 1, watcher: Watcher | None = None
) -> CurateReport:
    """Hand out what was decided; arguments and errors as for `curate_files`."""
    options, output = planned.options, planned.output
    check_room(decisions.lines, output, options.pictures)
    former = read_manifest(output) if (output / MANIFEST).exists() else ()
    removed, orphans = take_back(former, decisions.lines, output)
    write_toml(options.screening, output / SCREENING, "The thresholds of this screening: a start for others.")
    write_manifest(decisions.lines, output)
    files = hand_out(
        output,
        options.pictures,
        max_pixels=options.max_pixels,
        first_page=options.first_page,
        jobs=jobs,
        watcher=watcher,
    )
    with journal(output / JOURNAL) as known:
        write_report(output / REPORT, decisions.lines, known, options.screening)
    return CurateReport(decisions, files.records, removed, tuple(orphans), decisions.seconds + files.seconds)


def _unread(source: Path, name: str, error: str) -> Line:
    reasons = (Reason(UNREADABLE, error),)
    return Line(str(source.absolute()), name, 0, 0, reasons, None, 0.0, None, None, None, (), "")


def _read(source: Path, name: str, known: Known, key: str) -> Line:
    measures = measures_of(known)
    line = Line(
        file=str(source.absolute()),
        name=name,
        width=known["width"],
        height=known["height"],
        reasons=(),
        measures=measures,
        merit=0.0,
        group=None,
        scene=None,
        output=None,
        crops=(),
        key=key,
    )
    return replace(line, merit=_candidate(line).merit)


def _candidate(line: Line) -> Candidate:
    return Candidate(line.name, line.width, line.height, line.measures, line.group, line.scene)


def _grouped(lines: Sequence[Line], grays: Sequence[npt.NDArray[np.uint8]]) -> list[Line]:
    """The lines with their groups of near-duplicates and their scenes; a thumbnail for each that has measures."""
    found = find_groups(np.stack(grays)) if grays else ()
    measured = iter(found)
    return [line if line.measures is None else replace(line, **next(measured)) for line in lines]


def _selected(lines: Sequence[Line], options: CurateOptions) -> list[Line]:
    screening = options.screening
    if options.crops is not None:
        screening = screening.replaced(min_side=max(screening.min_side, options.crops))
    readable = [line for line in lines if not line.reasons]
    reasons = iter(select([_candidate(line) for line in readable], screening, options.keep))
    return [line if line.reasons else replace(line, reasons=next(reasons)) for line in lines]


def _crop_names(lines: Sequence[Line]) -> Mapping[str, str]:
    """How the crops of each picture are called, less number: without its suffix, where no other has that name."""
    stems = {line.name: PurePosixPath(line.name).with_suffix("").as_posix() for line in lines}
    counts = Counter(stem.casefold() for stem in stems.values())
    return {name: stem if counts[stem.casefold()] == 1 else name for name, stem in stems.items()}


def _with_outputs(line: Line, crop_name: str, options: CurateOptions, known: Known) -> Line:
    """The line of a picture that is kept, with what is to be made of it."""
    crops: tuple[SavedCrop, ...] = ()
    if options.crops is not None:
        found = detail_areas(
            tiles_of(known),
            line.width,
            line.height,
            options.crops,
            options.per_image,
            avoid_blur=options.avoid_blur,
            avoid_text=options.avoid_text,
        )
        written = options.pictures != "none"
        crops = tuple(
            SavedCrop(crop, f"crops/{crop_name}_{number}.png" if written else None)
            for number, crop in enumerate(found, 1)
        )
    # Where there are crops, they are what is learned from; a second copy of everything would be of no use.
    whole = options.crops is None and options.pictures != "none"
    return replace(line, output=f"pictures/{line.name}" if whole else None, crops=crops)
