"""Produce all results of a method on a set; a second call repeats only what has changed."""

import hashlib
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aimanga.atomic import remove_remains, replacing
from aimanga.batch import Journal, Json, Tick, Watcher, gather, journal
from aimanga.benchmark.command import ProgramError, filled, kill_orphans, run_program
from aimanga.benchmark.cost import watched_memory
from aimanga.benchmark.matching import match_results
from aimanga.benchmark.methods import Runnable, check_result, fingerprint, run_method, warm_up
from aimanga.benchmark.recipe import ModelMethod, Program, Resampling
from aimanga.errors import AimangaError
from aimanga.evaluate import Case
from aimanga.evaluate.comparison import Cost, MethodResult
from aimanga.hashing import sha256_of
from aimanga.images import PictureFile, read, write


@dataclass(frozen=True)
class Places:
    """Where the results of a method on a set go.

    Attributes:
        results: The folder of the results.
        journal: The file that records what they depend on and what they cost.
        logs: The folder for the output of other programs.
        work: The folder for temporary files of other programs.
    """

    results: Path
    journal: Path
    logs: Path
    work: Path


def produce_results(
    method: Runnable, cases: Mapping[str, Case], scale: int, places: Places, *, watcher: Watcher | None = None
) -> MethodResult:
    """Run a method on a set; results that exist and are up to date are kept.

    Models run in a process of their own, so that only their own memory is measured.

    Args:
        method: The method.
        cases: The pictures, by name.
        scale: The scale.
        places: Where everything goes.
        watcher: Notified of the progress.

    Raises:
        AimangaError: The method cannot run at all.
        KeyboardInterrupt: Ctrl-C; what is finished stays.
    """
    for folder in (places.results, places.journal.parent):
        folder.mkdir(parents=True, exist_ok=True)
    targets = {case.low: places.results / f"{name}.png" for name, case in cases.items()}
    method_key = fingerprint(method)
    with journal(places.journal) as kept:
        remove_remains(places.results)
        kill_orphans(places.logs)
        key = partial(_key, method_key, scale)
        intact = partial(is_intact, kept, targets)
        run = partial(gather, journal=kept, key=key, intact=intact, watcher=watcher)
        sources = tuple(targets)
        if isinstance(method, Program) and method.in_folders:
            waiting = {
                name: case
                for name, case in cases.items()
                if not (kept.holds(case.low, key(case.low)) and intact(case.low))
            }
            batch = _run_on_folder(method, method_key, waiting, scale, places)
            report = run(partial(_take, batch, targets), sources)
        else:
            shutil.rmtree(places.work, ignore_errors=True)
            work = partial(_run, method, targets, scale, places)
            report = run(work, sources, apart=isinstance(method, ModelMethod))
        shutil.rmtree(places.work, ignore_errors=True)
        names = {case.low: name for name, case in cases.items()}
        problems = {names[record.file]: record.error or "failed" for record in report.failed}
        low = {name: case.low for name, case in cases.items() if name not in problems}
        values = {name: kept.values(path) for name, path in low.items()}
    costs = {name: Cost(v["seconds"], v["megapixels"], v["memory"]) for name, v in values.items()}
    return MethodResult({name: targets[path] for name, path in low.items()}, problems, costs)


def _key(method_key: str, scale: int, source: Path) -> str:
    """All that a result depends on, by content: a new modification time alone changes nothing."""
    return hashlib.sha256(f"{method_key} {scale} {sha256_of(source)}".encode()).hexdigest()


def is_intact(kept: Journal, targets: Mapping[Path, Path], source: Path) -> bool:
    """Whether the result of a source is the one that was recorded."""
    target = targets[source]
    return target.is_file() and sha256_of(target) == kept.values(source).get("sha256")


def _values(target: Path, seconds: float | None, memory: int | None) -> dict[str, Json]:
    return {"sha256": sha256_of(target), "megapixels": _megapixels(target), "seconds": seconds, "memory": memory}


def _run(
    method: Runnable, targets: Mapping[Path, Path], scale: int, places: Places, source: Path, tick: Tick
) -> Mapping[str, Json]:
    target = targets[source]
    warm_up(method)
    if isinstance(method, Program):
        for folder in (places.logs, places.work):
            folder.mkdir(parents=True, exist_ok=True)
    with watched_memory(itself=isinstance(method, ModelMethod)) as memory:
        seconds = run_method(method, source, target, scale, places.logs / f"{target.stem}.log", places.work, tick)
    # A kernel runs in this process, whose memory has other uses, too.
    return _values(target, seconds, None if isinstance(method, Resampling) else memory.peak)


@dataclass(frozen=True)
class _Batch:
    """The results of one call of a program on many pictures; mappings are by the names of the pictures.

    Attributes:
        files: Whole results of the right size.
        problems: What is wrong with others.
        error: Why the program failed; None if it did not.
        seconds: Wall time, by the share of the pixels; results of an earlier call have none.
        memory: Peak memory in bytes; None if it was not measured.
    """

    files: Mapping[str, Path]
    problems: Mapping[str, str]
    error: str | None
    seconds: Mapping[str, float]
    memory: int | None


def _run_on_folder(method: Program, method_key: str, cases: Mapping[str, Case], scale: int, places: Places) -> _Batch:
    """Run a program once on many pictures.

    A killed run leaves its output folder: whole results in it are kept, and the program runs on the rest.
    """
    inputs, outputs = places.work / method_key[:16] / "in", places.work / method_key[:16] / "out"
    before, _ = _whole_results(cases, outputs, scale, method.name)
    rest = {name: case for name, case in cases.items() if name not in before}
    if not rest:
        return _Batch(before, {}, None, {}, None)
    shutil.rmtree(inputs, ignore_errors=True)
    inputs.mkdir(parents=True)
    outputs.mkdir(exist_ok=True)
    for name, case in rest.items():
        shutil.copyfile(case.low, inputs / f"{name}{case.low.suffix}")
    values = {
        "input_folder": inputs.absolute(), "output_folder": outputs.absolute(), "scale": scale,
        "python": sys.executable,
    }  # fmt: skip
    places.logs.mkdir(parents=True, exist_ok=True)
    log = places.logs / "all.log"
    error = None
    begin = time.perf_counter()
    with watched_memory(itself=False) as memory:
        try:
            folder = Path(method.folder).expanduser()
            run_program(filled(method.command, values), folder, log.absolute(), method.timeout)
        except ProgramError as problem:
            error = str(problem)
    seconds = time.perf_counter() - begin
    files, problems = _whole_results(cases, outputs, scale, method.name)
    missing = f"{method.command[0]} succeeded without writing its result (see {log})"
    problems |= {name: missing for name in rest if name not in files and name not in problems}
    megapixels = {name: _megapixels(files[name]) for name in rest if name in files}
    whole = sum(megapixels.values())
    return _Batch(
        files, problems, error, {name: seconds * part / whole for name, part in megapixels.items()}, memory.peak
    )


def _whole_results(
    cases: Mapping[str, Case], folder: Path, scale: int, method: str
) -> tuple[dict[str, Path], dict[str, str]]:
    """Usable results, and what is wrong with others."""
    files, problems = {}, {}
    for name, result in match_results(tuple(cases.values()), folder, scale, method).items():
        try:
            check_result(result, cases[name].low, scale)
        except (AimangaError, OSError) as error:
            problems[name] = str(error)
        else:
            files[name] = result
    return files, problems


def _take(batch: _Batch, targets: Mapping[Path, Path], source: Path, tick: Tick) -> Mapping[str, Json]:
    target = targets[source]
    name = target.stem
    if name not in batch.files:
        raise ProgramError(batch.error or batch.problems[name])
    result = batch.files[name]
    if result.suffix.lower() == ".png":
        with replacing(target) as part:
            shutil.copyfile(result, part)
    else:
        write(read(result), target)
    return _values(target, batch.seconds.get(name), batch.memory)


def _megapixels(path: Path) -> float:
    header = PictureFile(path).header
    return header.width * header.height / 1e6
