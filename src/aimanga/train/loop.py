"""A training from its recipe to its weights: set up, fit, validate."""

import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from aimanga.atomic import locked
from aimanga.config import write_toml
from aimanga.degrade import load_degradation
from aimanga.errors import AimangaError, DivergedError, ResourceError, UsageError
from aimanga.memory import freed_memory_kept
from aimanga.train.check import DataSet, check, files_of
from aimanga.train.fabric import make_fabric
from aimanga.train.feed import Batch, Feed, pair
from aimanga.train.grids import fed_sheet
from aimanga.train.interrupts import Stop, stoppable
from aimanga.train.learner import DIFFERENCE, Learner
from aimanga.train.log import Log
from aimanga.train.networks import Networks, build
from aimanga.train.recipe import RecipeFile, TrainRecipe, load_recipe
from aimanga.train.report import write_report
from aimanga.train.resuming import check_folder
from aimanga.train.run import BEST, RECIPE, Run, TrainWatcher
from aimanga.train.schedule import rates_at
from aimanga.train.sources import find_sets
from aimanga.train.states import States, bytes_on_disk
from aimanga.train.tally import Tally
from aimanga.train.validation import Validator

_MOST_DIVERGENCES = 3

Reason = Literal["finished", "interrupted", "terminated", "out of time", "diverged"]
"""Why a training has ended."""


@dataclass(frozen=True)
class TrainResult:
    """How a training has ended.

    Attributes:
        folder: The run's folder.
        iteration: How many iterations were done, in all its runs.
        reason: Why it has ended.
        best: The best weights: a model for `aimanga upscale --model`.
    """

    folder: Path
    iteration: int
    reason: Reason
    best: Path

    @property
    def exit_code(self) -> int:
        """What a command line reports: 0, 1 after divergence, 130 after Ctrl-C, 143 after SIGTERM."""
        return {"diverged": 1, "interrupted": 130, "terminated": 143}.get(self.reason, 0)


def train(
    recipe: str | Path,
    output: str | Path,
    *,
    settings: Sequence[str] = (),
    data: Sequence[str | Path] = (),
    resume: bool = False,
    device: str = "auto",
    jobs: int = 1,
    watcher: TrainWatcher | None = None,
) -> TrainResult:
    """Train a network.

    `output` gets the weights: `best.safetensors`, `latest.safetensors`, and the best by each measure; the states from
    which it can go on, `log.jsonl`, TensorBoard's files, sheets of validations, and `report.html`. The same recipe and
    pictures give the same bytes on one machine, however often the training was interrupted.

    Args:
        recipe: The name of one that is shipped, or a TOML file.
        output: The run's folder.
        settings: What to set otherwise: `train.lr=2e-4`.
        data: Sources to take instead of the recipe's.
        resume: Go on from the last state in `output`; where there is none, begin.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`. Processes that `torchrun` has started share the work.
        jobs: Processes that check the pictures; more than one need a caller's script that can be imported.
        watcher: Told how it goes on.

    Returns:
        How it has ended. Ctrl-C and SIGTERM end it after the iteration at work; all is saved.

    Raises:
        UsageError: The recipe, the data or the folder is no good; the message names everything that is wrong.
        ResourceError: The disk has too little room.
        KeyboardInterrupt: A second Ctrl-C; the last state stays.
    """
    file = load_recipe(recipe, settings, data)
    folder = Path(output)
    with ExitStack() as stack:
        run = set_up(file, folder, resume=resume, device=device, jobs=jobs, watcher=watcher, stack=stack)
        return fit(run)


def set_up(
    file: RecipeFile,
    folder: Path,
    *,
    resume: bool,
    device: str,
    jobs: int,
    watcher: TrainWatcher | None,
    stack: ExitStack,
) -> Run:
    """Check all that can be wrong, load everything, and go back to the last state.

    Args:
        file: The recipe.
        folder: The run's folder.
        resume: As in `train`, like the others.
        device: Where.
        jobs: Processes that check the pictures.
        watcher: Who is told.
        stack: What is closed at the end is entered here.

    Raises:
        UsageError: As in `train`.
    """
    recipe = file.recipe
    fabric, precision, scaler = make_fabric(device, recipe)
    stack.callback(_part_from_the_others)
    problems: list[str] = []
    states = States(folder, recipe.saving.keep)
    if recipe.train.batch % (fabric.world_size * recipe.train.accumulate):
        problems.append(
            f"{file.where('train', 'batch')}: {recipe.train.batch} does not divide by {fabric.world_size} processes "
            f"of {recipe.train.accumulate} parts"
        )
    with _collecting(problems):
        check_folder(folder, states, recipe, resume=resume)
    networks = degradation = sets = None
    with _collecting(problems):
        networks = build(file)
    with _collecting(problems, file.where("data", "degradation")):
        degradation = load_degradation(recipe.data.degradation)
        if networks is not None and degradation.scale != networks.scale:
            raise UsageError(f"it is of scale {degradation.scale}, the model of {networks.scale}")
    with _collecting(problems):
        Validator.check(file)
    with _collecting(problems):
        sets = find_sets(file, networks.scale if networks else 4)
    if problems:
        raise UsageError("; ".join(problems))
    assert networks is not None
    assert degradation is not None
    assert sets is not None
    data: DataSet | None = None
    if fabric.is_global_zero:
        folder.mkdir(parents=True, exist_ok=True)
        _check_disk(folder, networks, recipe, resumed=bool(states.iterations()))
        if not stack.enter_context(locked(folder / ".lock")):
            raise UsageError(f"{folder}: another training is at work there")
        data = check(
            file, sets, networks.scale, folder / "data.jsonl",
            jobs=jobs, watcher=watcher.checking(len(files_of(sets))) if watcher else None,
        )  # fmt: skip
    data = fabric.broadcast(data)
    assert data is not None
    learner = Learner(networks, recipe, fabric, scaler)
    run = Run(
        file=file, folder=folder, fabric=fabric, precision=precision, networks=networks, learner=learner, data=data,
        feed=Feed(data, recipe, degradation, networks.scale, rank=fabric.global_rank, ranks=fabric.world_size),
        validator=Validator.prepared(file, data.held_out, networks.scale, degradation, fabric.device),
        states=states, watcher=watcher,
    )  # fmt: skip
    saved = states.iterations()
    if saved:
        run.restore(saved[0])
    if fabric.is_global_zero:
        write_toml(recipe, folder / RECIPE, "What this training was started with; see aimanga train --help.")
        resumed_at = run.iteration if saved else None
        run.log = stack.enter_context(Log(folder, tensorboard=recipe.logging.tensorboard, resumed_at=resumed_at))
    run.say_start(resumed=bool(saved))
    return run


def fit(run: Run) -> TrainResult:
    """Train until the end, whichever it is; everything is saved then."""
    begin = time.monotonic()
    reason: Reason | None = None
    with stoppable() as stop, _deterministic(run), freed_memory_kept():
        try:
            if run.iteration == 0:
                validate(run)
                save(run)
            while reason is None:
                try:
                    reason = _iterate(run, stop, begin)
                    if reason == "finished" and run.iteration % run.recipe.validation.every:
                        validate(run)
                    save(run)
                except DivergedError as error:
                    reason = None if _roll_back(run, str(error)) else "diverged"
        except BaseException as error:
            if run.learner.whole and isinstance(error, Exception):
                with suppress(OSError, DivergedError):
                    run.save()
            run.say("end", reason="failed", message=_in_words(error), seconds=time.monotonic() - begin)
            _report(run)
            raise
    run.say("end", reason=reason, message=None, seconds=time.monotonic() - begin)
    _report(run)
    return TrainResult(run.folder, run.iteration, reason, run.folder / BEST)


def _iterate(run: Run, stop: Stop, begin: float) -> Reason | None:
    """Do iterations until something ends them, or the training diverges."""
    recipe = run.recipe
    tally = Tally()
    batches = run.feed.batches(run.iteration)
    try:
        for batch in batches:
            if run.iteration >= recipe.train.iterations:
                return "finished"
            if _any_process(run, stop.signal is not None):
                return "terminated" if stop.signal == signal.SIGTERM else "interrupted"
            if recipe.train.hours is not None and _any_process(
                run, time.monotonic() - begin > 3600 * recipe.train.hours
            ):
                return "out of time"
            low, high = pair(batch, run.networks.scale, run.fabric.device)
            rates = rates_at(run.iteration, recipe, run.rate_factor)
            figures = run.learner.step(low, high, rates)
            run.guard.check(figures[DIFFERENCE])
            run.iteration += 1
            tally.add(figures)
            if run.watcher is not None:
                run.watcher.iterated(run.iteration, recipe.train.iterations, figures)
            if run.iteration % recipe.logging.every == 0 or run.iteration == recipe.train.iterations:
                run.say("train", **tally.taken(recipe.train.batch), lr=rates)
            if recipe.logging.fed and (run.iteration == 1 or run.iteration % recipe.logging.fed == 0):
                with tally.paused():
                    _show_fed(run, batch, low)
            validates = run.iteration % recipe.validation.every == 0
            saves = run.iteration % recipe.saving.every == 0
            if validates or saves:
                with tally.paused():
                    if validates:
                        validate(run)
                    if saves:
                        save(run)
    finally:
        batches.close()
    raise AssertionError("batches never end")


def validate(run: Run) -> None:
    """Measure the average on the held-out and the real pictures; keep the weights that are better than ever."""
    if run.fabric.is_global_zero:
        began = time.monotonic()
        model = run.as_model()
        found = run.validator.run(run.networks.start, model, run.folder / "validation" / f"{run.iteration:06}")
        better, worse = run.history.add(run.iteration, found.scores)
        for series in better:
            run.save_weights(run.folder / f"best-{series.replace(' ', '-')}.safetensors")
        if run.validator.decides in better:
            run.save_weights(run.folder / BEST)
        grids = {name: path.relative_to(run.folder).as_posix() for name, path in found.grids.items()}
        run.say(
            "validation", scores=found.scores, grids=grids, best=better, worse=worse, seconds=time.monotonic() - began
        )
        for message in found.warnings:
            run.say("warning", message=message)
        if run.validator.decides in worse:
            run.say("warning", message=f"{run.validator.decides} is worse than that of the weights it started from")
        _report(run)
    run.fabric.barrier()


def save(run: Run) -> None:
    """Save everything, in all processes together; errors as for `Run.save`."""
    run.save()
    run.fabric.barrier()


def _roll_back(run: Run, why: str) -> bool:
    """Go back to the last good state with half the rates; tell whether there is another try."""
    rollbacks, factor = run.rollbacks + 1, run.rate_factor / 2
    if rollbacks >= _MOST_DIVERGENCES:
        run.say("warning", message=f"diverged for the {rollbacks}. time ({why}): stopped; {BEST} is what was best")
        return False
    iterations = run.states.iterations()
    # A state that led into the same explosion at once, with lower rates, was not good any more.
    target = iterations[1] if iterations[0] == run.rolled_back_to and len(iterations) > 1 else iterations[0]
    run.fabric.barrier()
    if run.fabric.is_global_zero:
        run.states.forget_after(target)
    diverged_at = run.iteration
    history = run.history  # the best weights so far were good, and are still there
    run.restore(target)
    run.history = history
    run.rolled_back_to = target
    run.rollbacks, run.rate_factor = rollbacks, factor
    message = (
        f"diverged after iteration {diverged_at} ({why}): back to iteration {target} with {factor:g} times the rates"
    )
    run.say("rollback", to=target, lr_factor=factor, message=message)
    return True


def _show_fed(run: Run, batch: Batch, low: Tensor) -> None:
    if run.fabric.is_global_zero:
        path = run.folder / "fed" / f"{run.iteration:06}.png"
        path.parent.mkdir(exist_ok=True)
        fed_sheet(path, low, batch.samples)
        run.say("fed", picture=path.relative_to(run.folder).as_posix())


def _report(run: Run) -> None:
    if run.fabric.is_global_zero:
        write_report(run.folder)


def _any_process(run: Run, flag: bool) -> bool:
    """Whether it holds in any of the processes: all of them have to end in the same iteration."""
    if run.fabric.world_size == 1:
        return flag
    found = run.fabric.all_reduce(torch.tensor(float(flag), device=run.fabric.device), reduce_op="sum")
    assert isinstance(found, Tensor)
    return bool(found > 0)


def _check_disk(folder: Path, networks: Networks, recipe: TrainRecipe, *, resumed: bool) -> None:
    """See that what will be kept has room, beside one more that is written before an old one goes.

    Raises:
        ResourceError: It has not.
    """
    kept, written = bytes_on_disk(networks, recipe)
    needed = written if resumed else kept + written
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ResourceError(
            f"{folder}: {free / 1e9:.1f} GB are free, states and weights take {needed / 1e9:.1f} GB; make room, choose "
            "another folder, or --set saving.keep=2"
        )


def _part_from_the_others() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _in_words(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


@contextmanager
def _deterministic(run: Run) -> Iterator[None]:
    """Choose kernels that give the same bytes each time, where the recipe wants that and the device has them."""
    wanted = run.recipe.compute.deterministic
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn
    with cudnn.flags(enabled=True, benchmark=not wanted, deterministic=wanted, allow_tf32=cudnn.allow_tf32):
        if run.fabric.device.type == "cuda":
            torch.use_deterministic_algorithms(wanted, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])


@contextmanager
def _collecting(problems: list[str], where: str = "") -> Iterator[None]:
    """Collect what is wrong instead of raising it, so that all is said at once."""
    try:
        yield
    except AimangaError as error:
        problems.append(f"{where}: {error}" if where else str(error))
