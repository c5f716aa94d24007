"""Score files and folders: every metric on every picture."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

from aimanga import weights
from aimanga.batch import Journal, Json, Paths, Record, Tick, Watcher, as_paths, find, gather, journal
from aimanga.errors import AimangaError, UsageError
from aimanga.evaluate.options import EvaluateOptions, ScoreOptions
from aimanga.evaluate.references import find_references
from aimanga.evaluate.score_table import as_json, check_table, write_table
from aimanga.evaluate.statistics import Interval, mean_interval
from aimanga.hashing import file_key
from aimanga.images import READABLE_SUFFIXES, read
from aimanga.metrics import Metric, Scorer, Scores, find_metric, metric_names, missing_weights
from aimanga.options import with_options


@dataclass(frozen=True)
class ScorePlan:
    """What `score_files` is going to do.

    Attributes:
        sources: The pictures, in order.
        references: Picture to reference.
        metrics: The requested metrics.
        options: The options.
    """

    sources: tuple[Path, ...]
    references: Mapping[Path, Path]
    metrics: tuple[Metric, ...]
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


@with_options
def score_files(
    inputs: Paths, options: ScoreOptions = ScoreOptions(), *, watcher: Watcher | None = None
) -> ScoreReport:
    """Score files and folders of pictures: `score_files("out", metrics=["psnr"], reference="HR")`.

    A picture that fails does not stop the others. With `output`, an interrupted batch resumes where it stopped.

    Args:
        inputs: A file, a folder, or several of them.
        options: How; each option can also be given as a keyword. Metrics that cannot run are in the result's
            `missing`; the others run. A script that asks for several `jobs` needs the `if __name__ == "__main__":` of
            Python's multiprocessing.
        watcher: Callbacks for plan and progress; `on_plan` gets a `ScorePlan`.

    Returns:
        The scores.

    Raises:
        UsageError: Nothing was found, a metric is unknown, or references are missing; nothing was done.
        ModelError: None of the metrics can run, or a weight file is damaged.
        KeyboardInterrupt: Ctrl-C; with `output`, finished scores are kept.
    """
    planned = plan_scores(inputs, options)
    if watcher is not None:
        watcher.on_plan(planned)
    return run_scores(planned, watcher=watcher)


def plan_scores(inputs: Paths, options: ScoreOptions) -> ScorePlan:
    """Find the pictures and their references; arguments and errors as for `score_files`. Nothing is written."""
    if options.output is not None:
        check_table(options.output)
    metrics = find_metrics(options)
    sources = find(as_paths(inputs), suffixes=READABLE_SUFFIXES, recursive=options.recursive)
    references = {} if options.reference is None else find_references(sources, options.reference, options.scale)
    return ScorePlan(sources, references, metrics, options)


def find_metrics(options: EvaluateOptions) -> tuple[Metric, ...]:
    """Find the requested metrics, each once.

    Raises:
        UsageError: A metric is unknown, FR metrics lack references, or only NR metrics have some.
    """
    reference = options.reference
    names = metric_names(",".join(options.metrics) or None, with_reference=reference is not None)
    metrics = tuple(dict.fromkeys(map(find_metric, names)))
    comparing = [metric.name for metric in metrics if metric.needs_reference]
    if comparing and reference is None:
        raise UsageError(f"{', '.join(comparing)}: compares with references; name their folder with --reference")
    if reference is not None and not comparing:
        raise UsageError(f"--reference {reference}: none of the metrics compares with references")
    return metrics


def why_missing(metrics: Iterable[Metric]) -> dict[str, str]:
    """Why metrics cannot run, by their names; those that can are left out."""
    return {metric.name: reason for metric in metrics if (reason := missing_weights(metric))}


def run_scores(planned: ScorePlan, *, keep: Path | None = None, watcher: Watcher | None = None) -> ScoreReport:
    """Run a plan; arguments and errors as for `score_files`.

    Scores stay in the file `keep` for the next call; without one they are kept beside the table until that is written.
    """
    options, missing = planned.options, why_missing(planned.metrics)
    requested = tuple(metric.name for metric in planned.metrics)
    running = tuple(name for name in requested if name not in missing)
    _scorer(running or requested, options.device)  # fails now, not in the middle of the work
    if options.jobs > 1:
        _scorer.cache_clear()
    file = None if options.output is None else options.output.with_name(f"{options.output.name}.journal")
    with journal(keep or file) as kept:
        batch = gather(
            partial(_score_file, running, dict(planned.references), options),
            planned.sources,
            kept,
            key=partial(_key, running, planned.references, options),
            workers=options.jobs,
            report=options.report,
            line=partial(_report_line, kept),
            watcher=watcher,
        )
        pictures = tuple(_scores_of(kept, record) for record in batch.records)
        scores = ScoreReport(planned.metrics, pictures, missing, batch.seconds)
        if options.output is not None:
            write_table(scores, options.output)
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
