"""The verb: mixtures x pictures x metrics into tables and a page with curves and crops."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from aimanga.atomic import remove_remains
from aimanga.batch import Json, Tick, Watcher, gather, journal
from aimanga.benchmark.produce import is_intact
from aimanga.device import choose_device
from aimanga.evaluate import ScoreOptions
from aimanga.evaluate.comparison import Comparison, MethodResult, SetResult
from aimanga.evaluate.folders import score_results
from aimanga.evaluate.score import why_missing
from aimanga.evaluate.tables import write_tables
from aimanga.hashing import sha256_of
from aimanga.models.mix import Parts
from aimanga.options import with_options
from aimanga.sweep.options import SweepOptions
from aimanga.sweep.page import write_page
from aimanga.sweep.plan import Point, SweepPlan, plan_sweep
from aimanga.upscale import UpscaleOptions, upscale_file
from aimanga.upscale.engine import Engine
from aimanga.upscale.precision import choose_precision
from aimanga.version import __version__


@with_options
def sweep(
    pictures: str | Path,
    parts: Parts,
    output: str | Path,
    options: SweepOptions = SweepOptions(),
    *,
    watcher: Watcher | None = None,
) -> Comparison:
    """Score mixtures along a line: `sweep("val", {"first.pth": 0, "second.pth": 1}, "curve", steps=5)`.

    The weights are (1 - t) first + t mixture: for t = 0 those of the first model alone, for t = 1 those of the given
    factors. `output` gets tables, `results.json`, and `report.html` with a curve for each metric and crops of all
    mixtures side by side. No weights are written: `aimanga.mix` does that, and the descriptions in `methods` are its
    command lines. What exists and is up to date is not repeated.

    Args:
        pictures: A test set, as for `aimanga.evaluate.read_test_set`: a folder of LR pictures, or HR and LR folders.
        parts: As for `aimanga.mix`; at least two models.
        output: The folder.
        options: How; each option can also be given as a keyword.
        watcher: Callbacks for plan and progress; `on_plan` gets a `SweepPlan`.

    Returns:
        The scores; a method is a mixture, called `t=0.25`. A picture that fails does not stop the others.

    Raises:
        UsageError: Something cannot be done; nothing was done.
        KeyboardInterrupt: Ctrl-C; the same call later resumes.
    """
    watcher = watcher or Watcher()
    planned = plan_sweep(pictures, parts, output, options)
    watcher.on_plan(planned)
    begin = time.perf_counter()
    planned.output.mkdir(parents=True, exist_ok=True)
    report = _run(planned, watcher)
    watcher.on_stage("writing tables and the page")
    page = planned.output / "report.html"
    written = write_tables(report, planned.output)
    write_page(report, planned, page)
    return replace(report, written=(*written, page), seconds=time.perf_counter() - begin)


def _run(planned: SweepPlan, watcher: Watcher) -> Comparison:
    source, options = planned.source, planned.options
    high = {case.name: case.high for case in source.cases}
    scoring = ScoreOptions(device=options.device, jobs=options.jobs)
    results = {}
    for point in planned.points:
        watcher.on_stage(f"{point.name}: {point.title}")
        made = _results_of(point, planned, watcher)
        keep = planned.output / "kept" / f"{point.name} scores.jsonl"
        results[point.name] = score_results(made, high, planned.metrics, scoring, keep, watcher)
    categories = {case.name: case.category for case in source.cases}
    inputs = {case.name: sha256_of(case.low) for case in source.cases}
    first, name = planned.points[0], source.folder.absolute().name
    found = SetResult(
        name, categories, any(high.values()), inputs, planned.metrics, why_missing(planned.metrics), first.name, results
    )
    commands = {point.name: point.command for point in planned.points}
    title = f"From {planned.mixture.models[0].name} to {planned.points[-1].title}"
    return Comparison(title, "", commands, first.name, {name: found}, planned.command)


def _results_of(point: Point, planned: SweepPlan, watcher: Watcher) -> MethodResult:
    """Upscale all pictures with a mixture; results that exist and are up to date are kept."""
    cases, folder = planned.source.cases, planned.output / "results" / point.name
    kept_file = planned.output / "kept" / f"{point.name} results.jsonl"
    for path in (folder, kept_file.parent):
        path.mkdir(parents=True, exist_ok=True)
    device = choose_device(planned.options.device)
    precision = choose_precision(planned.options.precision, device)

    @cache  # not before the first picture that needs it, if any does
    def engine() -> Engine:
        return Engine(point.mixture.model(), device, precision)

    identity = (__version__, point.mixture.sha256, precision, device.type, planned.scale)
    targets = {case.low: folder / f"{case.name}.png" for case in cases}
    with journal(kept_file) as kept:
        remove_remains(folder)

        report = gather(
            partial(_upscale, engine, targets, planned.scale),
            tuple(targets),
            kept,
            key=partial(_key, identity),
            intact=partial(is_intact, kept, targets),
            watcher=watcher,
        )
    names = {case.low: case.name for case in cases}
    problems = {names[record.file]: record.error or "failed" for record in report.failed}
    return MethodResult({names[low]: path for low, path in targets.items() if names[low] not in problems}, problems)


def _upscale(
    engine: Callable[[], Engine], targets: Mapping[Path, Path], scale: int, low: Path, tick: Tick
) -> Mapping[str, Json]:
    upscale_file(low, targets[low], tick, options=UpscaleOptions(scale=scale), engine=engine())
    return {"sha256": sha256_of(targets[low])}


def _key(identity: tuple[object, ...], low: Path) -> str:
    """All that a result depends on."""
    return hashlib.sha256(repr((*identity, sha256_of(low))).encode()).hexdigest()
