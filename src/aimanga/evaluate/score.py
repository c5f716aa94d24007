"""Score files and folders: every metric on every picture."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path

from aimanga import weights
from aimanga.batch import Journal, Json, Record, Tick, Watcher, find, gather, journal
from aimanga.errors import AimangaError, UsageError
from aimanga.evaluate.references import find_references
from aimanga.evaluate.score_table import as_json, check_table, write_table
from aimanga.evaluate.statistics import Interval, mean_interval
from aimanga.hashing import file_key
from aimanga.images import READABLE_SUFFIXES, read
from aimanga.metrics import Metric, Scorer, Scores, available_metrics, find_metric, missing_weights
from aimanga.options import MAX_PIXELS


@dataclass(frozen=True)
class ScoreOptions:
    """How files are scored; the fields are those of `score_files`."""

    metrics: tuple[str, ...]
    reference: Path | None = None
    device: str = "auto"
    max_pixels: int = MAX_PIXELS
    first_page: bool = False
    scale: int = 4


@dataclass(frozen=True)
class ScorePlan:
    """What `score_files` is going to do.

    Attributes:
        sources: The pictures, in order.
        references: Picture to reference.
        metrics: The requested metrics.
        missing: Why a metric cannot run, by its name.
        output: The table to write; None for no table.
        options: The options.
    """

    sources: tuple[Path, ...]
    references: Mapping[Path, Path]
    metrics: tuple[Metric, ...]
    missing: Mapping[str, str]
    output: Path | None
    options: ScoreOptions


@dataclass(frozen=True)
class PictureScores:
    """The scores of one picture.

    Attributes:
        file: The picture.
        width: In pixels; 0 if it cannot be read.
        height: Likewise.
        values: Scores by metric.
        problems: Why a score is missing, by metric.
        error: Why the picture has no scores at all: it cannot be read, for example.
    """

    file: Path
    width: int = 0
    height: int = 0
    values: Mapping[str, float] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True)
class ScoreReport:
    """The result of `score_files`.

    Attributes:
        metrics: The requested metrics.
        pictures: The scores of each picture, in order.
        missing: Why a metric did not run, by its name.
        seconds: Wall time.
    """

    metrics: tuple[Metric, ...]
    pictures: tuple[PictureScores, ...]
    missing: Mapping[str, str]
    seconds: float

    def mean(self, name: str) -> float | None:
        """The mean of a metric over the `count` pictures that have it; None if none has."""
        values = [picture.values[name] for picture in self.pictures if name in picture.values]
        return statistics.fmean(values) if values else None

    def interval(self, name: str) -> Interval | None:
        """The confidence interval of the mean; None for too few pictures."""
        return mean_interval([picture.values[name] for picture in self.pictures if name in picture.values])

    def count(self, name: str) -> int:
        """The number of pictures that have a score of a metric."""
        return sum(name in picture.values for picture in self.pictures)

    @property
    def exit_code(self) -> int:
        """0: every picture has every requested score; 1: some are missing."""
        lacking = any(picture.error or picture.problems for picture in self.pictures)
        return 1 if lacking or self.missing else 0


def score_files(
    inputs: str | Path | Sequence[str | Path],
    *,
    metrics: Sequence[str] | None = None,
    reference: str | Path | None = None,
    output: str | Path | None = None,
    recursive: bool = False,
    device: str = "auto",
    max_pixels: int = MAX_PIXELS,
    first_page: bool = False,
    scale: int = 4,
    jobs: int = 1,
    report: str | Path | None = None,
    watcher: Watcher | None = None,
) -> ScoreReport:
    """Score files and folders of pictures.

    A picture that fails does not stop the others. With `output` an interrupted batch goes on where it stopped.

    Args:
        inputs: A file, a folder, or several of them.
        metrics: Names of `aimanga.metrics.METRICS`; None for all whose weights are here, those that compare only with
            `reference`. What is asked for and cannot run is in the result's `missing`; the others run.
        reference: The folder of the pictures as they should be, found by their names; or one file.
        output: A `.csv` or `.json` file for the table, with the protocol of each metric.
        recursive: Enter subfolders.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        max_pixels: Refuse larger pictures.
        first_page: Take the first page of animations and files of several pages, instead of refusing them.
        scale: The scale that pictures may have in their names: with 4 the reference of `babyx4.png` is `baby.png`.
        jobs: Number of processes. A script that asks for more than one needs the usual
            `if __name__ == "__main__":`, since each process imports it.
        report: A file to which one line of JSON is appended for each picture as it ends.
        watcher: Told how it goes on.

    Returns:
        The scores.

    Raises:
        UsageError: Nothing was found, a metric is not known, or there are no references; nothing was done.
        ModelError: None of the metrics can run, or a weight file is damaged.
        KeyboardInterrupt: Ctrl-C was pressed; what is finished is kept where there is an `output`.
    """
    given = [inputs] if isinstance(inputs, str | Path) else inputs
    reference = None if reference is None else Path(reference)
    if metrics is None:
        metrics = available_metrics(with_reference=reference is not None)
    options = ScoreOptions(tuple(metrics), reference, device, max_pixels, first_page, scale)
    planned = plan_scores(
        [Path(path) for path in given], options, output=None if output is None else Path(output), recursive=recursive
    )
    return run_scores(planned, jobs=jobs, report=None if report is None else Path(report), watcher=watcher)


def plan_scores(
    inputs: Sequence[Path], options: ScoreOptions, *, output: Path | None = None, recursive: bool = False
) -> ScorePlan:
    """Find the pictures and their references, and see that the metrics can run; arguments as for `score_files`.

    Raises:
        UsageError: See `score_files`.
    """
    if output is not None:
        check_table(output)
    check_references(options)
    sources = find(inputs, suffixes=READABLE_SUFFIXES, recursive=recursive)
    planned = plan_known_pairs(dict.fromkeys(sources), options)
    references = {} if options.reference is None else find_references(sources, options.reference, options.scale)
    return replace(planned, references=references, output=output)


def plan_known_pairs(pairs: Mapping[Path, Path | None], options: ScoreOptions) -> ScorePlan:
    """Plan to score pictures whose references are known.

    Args:
        pairs: Picture to reference, or to None.
        options: How they are scored.

    Raises:
        UsageError: A metric is unknown.
    """
    metrics, missing = requested_metrics(options.metrics)
    references = {picture: reference for picture, reference in pairs.items() if reference is not None}
    return ScorePlan(tuple(pairs), references, metrics, missing, None, options)


def requested_metrics(names: Sequence[str]) -> tuple[tuple[Metric, ...], dict[str, str]]:
    """Find metrics, each once, and why some of them cannot run, by their names.

    Raises:
        UsageError: A metric is unknown.
    """
    metrics = tuple(dict.fromkeys(map(find_metric, names)))
    return metrics, {metric.name: reason for metric in metrics if (reason := missing_weights(metric))}


def check_references(options: ScoreOptions) -> None:
    """See that FR metrics have references, and references a use.

    Raises:
        UsageError: They do not go together, or a metric is unknown.
    """
    comparing = [name for name in options.metrics if find_metric(name).needs_reference]
    if comparing and options.reference is None:
        raise UsageError(f"{', '.join(comparing)}: compares with references; name their folder with --reference")
    if options.reference is not None and not comparing:
        raise UsageError(f"--reference {options.reference}: none of the metrics compares with references")


def run_scores(
    planned: ScorePlan,
    *,
    jobs: int = 1,
    report: Path | None = None,
    keep: Path | None = None,
    watcher: Watcher | None = None,
) -> ScoreReport:
    """Run a plan; arguments and errors as for `score_files`.

    Scores stay in the file `keep` for the next call; without one they are kept beside the table until that is written.
    """
    if jobs < 1:
        raise UsageError(f"--jobs {jobs}: at least one process is needed")
    running = tuple(metric.name for metric in planned.metrics if metric.name not in planned.missing)
    _scorer(running or planned.options.metrics, planned.options.device)  # fails now, not in the middle of the work
    if jobs > 1:
        _scorer.cache_clear()
    file = None if planned.output is None else planned.output.with_name(f"{planned.output.name}.journal")
    with journal(keep or file) as kept:
        batch = gather(
            partial(_score_file, running, dict(planned.references), planned.options),
            planned.sources,
            kept,
            key=partial(_key, running, planned.references, planned.options),
            workers=jobs,
            report=report,
            line=partial(_report_line, kept),
            watcher=watcher,
        )
        pictures = tuple(_scores_of(kept, record) for record in batch.records)
        scores = ScoreReport(planned.metrics, pictures, planned.missing, batch.seconds)
        if planned.output is not None:
            write_table(scores, planned.output)
    if file is not None and keep is None:
        file.unlink(missing_ok=True)  # after closing it: Windows removes no open file
    return scores


def _key(names: Sequence[str], references: Mapping[Path, Path], options: ScoreOptions, source: Path) -> str:
    """All that the scores of a picture depend on."""
    others = [weights.weight_file(file).path for name in names for file in find_metric(name).weights]
    others += [references[source]] if source in references else []
    states = [(str(path), file_key(path)) for path in others if path.is_file()]
    return file_key(source, names, options.device, options.max_pixels, options.first_page, states)


def _score_file(
    names: Sequence[str],
    references: Mapping[Path, Path],
    options: ScoreOptions,
    source: Path,
    tick: Tick,
) -> Mapping[str, Json]:
    take = partial(read, max_pixels=options.max_pixels, first_page=options.first_page)
    picture, reference = take(source), None
    problems: dict[str, str] = {}
    if source in references:
        try:
            reference = take(references[source])
        except (AimangaError, OSError) as error:
            comparing = {name for name in names if find_metric(name).needs_reference}
            problems = dict.fromkeys(comparing, f"its reference: {error}")
    able = tuple(name for name in names if name not in problems)
    scores = _scorer(able, options.device)(picture, reference) if able else Scores({})
    return {
        "width": picture.width,
        "height": picture.height,
        "values": dict(scores.values),
        "problems": {name: text for name in names if (text := {**problems, **scores.problems}.get(name))},
    }


def _scores_of(kept: Journal, record: Record) -> PictureScores:
    if record.status == "failed":
        return PictureScores(record.file, error=record.error)
    return PictureScores(record.file, **kept.values(record.file))


def _report_line(kept: Journal, record: Record) -> str:
    line = {**as_json(_scores_of(kept, record)), "seconds": round(record.seconds, 3)}
    return json.dumps(line, ensure_ascii=False)


@lru_cache(maxsize=2)
def _scorer(names: tuple[str, ...], device: str) -> Scorer:
    """The metrics, loaded once per process; also the NR metrics alone, for pictures without a readable reference."""
    return Scorer(names, device)
