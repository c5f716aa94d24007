"""All results of a method on a set: made once, and again only where something has changed."""

import hashlib
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aimanga.atomic import remove_remains, replacing
from aimanga.batch import Journal, Json, Tick, Watcher, gather, journal
from aimanga.benchmark.command import ProgramError, end_left_running, filled, run_program
from aimanga.benchmark.cost import watched_memory
from aimanga.benchmark.matching import match_results
from aimanga.benchmark.methods import Maker, check_result, fingerprint, make, warm_up
from aimanga.benchmark.recipe import ModelMethod, Program, Resampling
from aimanga.errors import AimangaError
from aimanga.evaluate import Case
from aimanga.hashing import sha256_of
from aimanga.images import PictureFile, read, write


@dataclass(frozen=True)
class Cost:
    """What a result has cost.

    Attributes:
        seconds: The time; None where it was not seen.
        megapixels: The size of the result.
        memory: The most memory that was in use, in bytes; None where that says nothing.
    """

    seconds: float | None
    megapixels: float
    memory: int | None


@dataclass(frozen=True)
class Made:
    """What a method has made of the pictures of a set.

    Attributes:
        files: Results by the names of the pictures.
        problems: Why a picture has none, by its name.
        costs: By the names of the pictures; empty for results that were made elsewhere.
    """

    files: Mapping[str, Path]
    problems: Mapping[str, str]
    costs: Mapping[str, Cost]


@dataclass(frozen=True)
class Places:
    """Where the results of a method on a set go.

    Attributes:
        results: The folder of the results.
        journal: The file that keeps what they depend on and what they have cost.
        logs: The folder for what other programs say.
        work: The folder for what they work on.
    """

    results: Path
    journal: Path
    logs: Path
    work: Path


def make_results(
    method: Maker, cases: Mapping[str, Case], scale: int, places: Places, *, watcher: Watcher | None = None
) -> Made:
    """Make all results of a method on a set, but those that are there already and are what they would be.

    Models run in a process of their own, so that what they take is not mixed up with what others took before.

    Args:
        method: The method.
        cases: The pictures, by name.
        scale: The factor.
        places: Where everything goes.
        watcher: Told how it goes on.

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
        end_left_running(places.logs)
        key = partial(_key, method_key, scale)
        intact = partial(_is_intact, kept, targets)
        run = partial(gather, journal=kept, key=key, intact=intact, watcher=watcher)
        sources = tuple(targets)
        if isinstance(method, Program) and method.in_folders:
            waiting = {
                name: case
                for name, case in cases.items()
                if not (kept.holds(case.low, key(case.low)) and intact(case.low))
            }
            batch = _make_at_once(method, method_key, waiting, scale, places)
            report = run(partial(_take, batch, targets), sources)
        else:
            shutil.rmtree(places.work, ignore_errors=True)
            work = partial(_make_one, method, targets, scale, places)
            report = run(work, sources, apart=isinstance(method, ModelMethod))
        shutil.rmtree(places.work, ignore_errors=True)
        names = {case.low: name for name, case in cases.items()}
        problems = {names[record.file]: record.error or "failed" for record in report.failed}
        made = {name: case.low for name, case in cases.items() if name not in problems}
        costs = {name: _cost_of(kept.values(low)) for name, low in made.items()}
    return Made({name: targets[low] for name, low in made.items()}, problems, costs)


def _key(method_key: str, scale: int, source: Path) -> str:
    """All that a result depends on, by content: a picture that was only touched is the same."""
    return hashlib.sha256(f"{method_key} {scale} {sha256_of(source)}".encode()).hexdigest()


def _is_intact(kept: Journal, targets: Mapping[Path, Path], source: Path) -> bool:
    target = targets[source]
    return target.is_file() and sha256_of(target) == kept.values(source).get("sha256")


def _cost_of(values: Mapping[str, Any]) -> Cost:
    return Cost(values["seconds"], values["megapixels"], values["memory"])


def _values(target: Path, seconds: float | None, memory: int | None) -> Mapping[str, Json]:
    return {
        "sha256": sha256_of(target),
        "megapixels": _megapixels(target),
        "seconds": seconds,
        "memory": memory,
    }


def _make_one(
    method: Maker, targets: Mapping[Path, Path], scale: int, places: Places, source: Path, tick: Tick
) -> Mapping[str, Json]:
    target = targets[source]
    warm_up(method)
    if isinstance(method, Program):
        for folder in (places.logs, places.work):
            folder.mkdir(parents=True, exist_ok=True)
    with watched_memory(itself=isinstance(method, ModelMethod)) as memory:
        seconds = make(method, source, target, scale, places.logs / f"{target.stem}.log", places.work, tick)
    # A kernel runs in this process, of which nobody can tell what it takes for which work.
    return _values(target, seconds, None if isinstance(method, Resampling) else memory.peak)


@dataclass(frozen=True)
class _Batch:
    """What one call of a program has made of many pictures.

    Attributes:
        files: Whole results of the right size, by the names of the pictures.
        problems: What is wrong with others, likewise.
        error: Why the program failed; None where it did not.
        seconds: The time that each has taken, by its share of the pixels; one that a former call has made is missing.
        memory: The most memory; None where it was not seen.
    """

    files: Mapping[str, Path]
    problems: Mapping[str, str]
    error: str | None
    seconds: Mapping[str, float]
    memory: int | None


def _make_at_once(method: Program, method_key: str, cases: Mapping[str, Case], scale: int, places: Places) -> _Batch:
    """Let a program make many pictures in one call.

    A killed run leaves its folder: what is whole there is taken over, and the program gets the rest.
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
    missing = f"{method.command[0]} ended well, and has written no result for it (see {log})"
    problems |= {name: missing for name in rest if name not in files and name not in problems}
    megapixels = {name: _megapixels(files[name]) for name in rest if name in files}
    whole = sum(megapixels.values())
    return _Batch(
        files, problems, error, {name: seconds * part / whole for name, part in megapixels.items()}, memory.peak
    )


def _whole_results(
    cases: Mapping[str, Case], folder: Path, scale: int, method: str
) -> tuple[dict[str, Path], dict[str, str]]:
    """Results that can be taken, and what is wrong with others."""
    files, problems = {}, {}
    for name, made in match_results(tuple(cases.values()), folder, scale, method).items():
        try:
            check_result(made, cases[name].low, scale)
        except (AimangaError, OSError) as error:
            problems[name] = str(error)
        else:
            files[name] = made
    return files, problems


def _take(batch: _Batch, targets: Mapping[Path, Path], source: Path, tick: Tick) -> Mapping[str, Json]:
    target = targets[source]
    name = target.stem
    if name not in batch.files:
        raise ProgramError(batch.error or batch.problems[name])
    made = batch.files[name]
    if made.suffix.lower() == ".png":
        with replacing(target) as part:
            shutil.copyfile(made, part)
    else:
        write(read(made), target)
    return _values(target, batch.seconds.get(name), batch.memory)


def _megapixels(path: Path) -> float:
    header = PictureFile(path).header
    return header.width * header.height / 1e6
