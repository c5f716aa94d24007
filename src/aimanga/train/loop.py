"""A training from its recipe to its weights: set up, fit, validate, save, roll back."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from aimanga.atomic import locked
from aimanga.config import write_toml
from aimanga.degrade import load_degradations
from aimanga.errors import DivergedError, ResourceError, UsageError
from aimanga.memory import freed_memory_kept
from aimanga.problems import Problems
from aimanga.text import file_size, ordinal
from aimanga.train.check import DataSet, check
from aimanga.train.fabric import make_fabric
from aimanga.train.grids import write_inputs
from aimanga.train.interrupts import Stop, stoppable
from aimanga.train.learner import L1, Figures, Learner
from aimanga.train.loader import Batch, Loader, to_tensors
from aimanga.train.log import Log
from aimanga.train.meter import Meter
from aimanga.train.networks import Networks, build
from aimanga.train.options import TrainOptions
from aimanga.train.page import write_report
from aimanga.train.reading import RECIPE, RecipeFile
from aimanga.train.recipe import TrainRecipe
from aimanga.train.resuming import check_folder
from aimanga.train.run import BEST, Run
from aimanga.train.schedule import learning_rates, share_done
from aimanga.train.scores import is_artifact
from aimanga.train.sources import find_sets
from aimanga.train.states import States, bytes_on_disk, is_finite
from aimanga.train.validation import Validator
from aimanga.train.watcher import TrainWatcher
from aimanga.train.windows import FOLDER as STORED
from aimanga.train.windows import Windows
from aimanga.upscale.engine import NotFiniteError

_MOST_DIVERGENCES = 3

# They degrade about 500 crops a second, several times what one GPU trains on.
_MOST_WORKERS = 16

Reason = Literal["finished", "interrupted", "terminated", "out of time", "diverged"]
"""Why a training ended."""


@dataclass(frozen=True)
class TrainResult:
    """The end of a training.

    Attributes:
        folder: The run's folder.
        iteration: The number of iterations done since iteration 0.
        reason: Why it ended.
        best: The best weights: a model for `aimanga upscale --model`.
    """

    folder: Path
    iteration: int
    reason: Reason
    best: Path

    @property
    def exit_code(self) -> int:
        """Exit code of the command line: 0, 1 after divergence, 130 after Ctrl-C, 143 after SIGTERM."""
        return {"diverged": 1, "interrupted": 130, "terminated": 143}.get(self.reason, 0)


def set_up(file: RecipeFile, folder: Path, options: TrainOptions, watcher: TrainWatcher, stack: ExitStack) -> Run:
    """Check everything that can be wrong, load everything, and restore the last state.

    Args:
        file: The recipe.
        folder: The run's folder.
        options: As in `train`.
        watcher: Likewise.
        stack: Closes the log, the lock and the process group.

    Raises:
        UsageError: As in `train`.
        ResourceError: Likewise.
    """
    recipe = file.recipe
    fabric, precision, scaler = make_fabric(options.device, recipe)
    stack.callback(_destroy_process_group)
    problems = Problems()
    states = States(folder, recipe.saving.keep)
    if recipe.train.batch_size % (fabric.world_size * recipe.train.accumulate):
        problems.add(
            f"{file.where('train', 'batch_size')}: {recipe.train.batch_size} does not divide by {fabric.world_size} "
            f"processes of {recipe.train.accumulate} parts"
        )
    with problems.noting():
        check_folder(folder, states, recipe, resume=options.resume)
    networks = degradation = sets = None
    with problems.noting():
        networks = build(file)
    with problems.noting(file.where("data", "degradation")):
        degradation = load_degradations(recipe.data.degradation)
        if networks is not None and degradation.scale != networks.scale:
            raise UsageError(f"it is of scale {degradation.scale}, the model of {networks.scale}")
    with problems.noting():
        Validator.check(file)
    with problems.noting():
        sets = find_sets(file, networks.scale if networks else 4)
    problems.refuse()
    assert networks is not None
    assert degradation is not None
    assert sets is not None
    data: DataSet | None = None
    if fabric.is_global_zero:
        folder.mkdir(parents=True, exist_ok=True)
        _check_disk(folder, networks, recipe, resumed=bool(states.iterations()))
        if not stack.enter_context(locked(folder / ".lock")):
            raise UsageError(f"{folder}: another training is running there")
        known = folder / "data.jsonl"
        data = check(file, sets, networks.scale, known, jobs=options.jobs or 1, watcher=watcher)
    data = fabric.broadcast(data)
    assert data is not None
    learner = Learner(networks, recipe, fabric, scaler)
    rank, ranks = fabric.global_rank, fabric.world_size
    jobs = (options.jobs or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    workers = min(max(0, jobs - 1), _MOST_WORKERS)
    source: Loader | Windows
    if recipe.stored is None:
        source = Loader(data, recipe, degradation, networks.scale, rank=rank, ranks=ranks, workers=workers)
    else:
        kept = folder / STORED if recipe.stored.folder is None else Path(recipe.stored.folder)
        source = Windows(kept, recipe, networks, data.pictures, rank=rank, ranks=ranks)
    run = Run(
        file=file, folder=folder, fabric=fabric, precision=precision, networks=networks, learner=learner, data=data,
        source=source, states=states, watcher=watcher,
        validator=Validator.prepared(file, data.held_out, networks.scale, degradation, fabric.device),
    )  # fmt: skip
    saved = states.iterations()
    if saved:
        run.restore(saved[0])
    elif isinstance(source, Loader) and recipe.data.degrade_on == "auto":
        source.choose(fabric.device)
    if fabric.is_global_zero:
        write_toml(recipe, folder / RECIPE, "The recipe of this training; see aimanga train --explain.")
        resumed_at = run.iteration if saved else None
        run.log = stack.enter_context(Log(folder, tensorboard=recipe.logging.tensorboard, resumed_at=resumed_at))
    run.report_start(resumed=bool(saved))
    began = time.monotonic()
    if isinstance(source, Windows) and fabric.is_global_zero:
        for done in source.prepare(data, degradation, fabric, workers):
            run.report("stored", crops=done, of=source.pairs, bytes=source.bytes)
    fabric.barrier()
    run.seconds += time.monotonic() - began
    return run


def fit(run: Run) -> TrainResult:
    """Train until the end, whatever ends it, and save everything."""
    begin = time.monotonic()
    reason: Reason | None = None
    with stoppable() as stop, _deterministic(run), freed_memory_kept():
        try:
            if run.iteration == 0:
                validate(run)
                save(run)
            while reason is None:
                try:
                    reason = _iterate(run, stop)
                    if reason == "finished" and run.iteration % run.recipe.validation.every:
                        validate(run)
                    save(run)
                except DivergedError as error:
                    if not run.states.iterations():
                        raise
                    reason = None if _roll_back(run, str(error)) else "diverged"
        except BaseException as error:
            if run.learner.consistent and isinstance(error, Exception):
                with suppress(OSError, DivergedError):
                    run.save()
            run.report("end", reason="failed", message=_in_words(error), seconds=time.monotonic() - begin)
            _report(run)
            raise
    run.report("end", reason=reason, message=None, seconds=time.monotonic() - begin)
    _report(run)
    return TrainResult(run.folder, run.iteration, reason, run.folder / BEST)


def _iterate(run: Run, stop: Stop) -> Reason:
    """Do iterations until the training ends, and return why."""
    recipe = run.recipe
    device = run.fabric.device
    meter = Meter()
    pending: list[tuple[int, Figures]] = []
    # Reading a figure waits for the GPU, and asking the other processes for them; a CPU has nothing to wait for.
    reads_always = device.type == "cpu"
    began = time.monotonic() - run.seconds
    batches = run.source.batches(run.iteration, pinned=device.type == "cuda")

    def read() -> None:
        for iteration, figures in pending:
            numbers = figures.read()
            run.divergence.check(numbers[L1])
            meter.update(numbers)
            total = recipe.train.iterations
            if recipe.train.hours is not None:
                total = max(iteration, round(iteration / share_done(iteration, recipe, run.seconds)))
            run.watcher.on_iteration(iteration, total, numbers)
        pending.clear()

    try:
        for batch in batches:
            if run.iteration >= recipe.train.iterations:
                return "finished"
            run.seconds = time.monotonic() - began
            if recipe.train.hours is not None:
                run.seconds = run.fabric.broadcast(run.seconds)
                if run.seconds > 3600 * recipe.train.hours:
                    read()
                    return "out of time"
            if not pending and _any_process(run, stop.signal is not None):
                return "terminated" if stop.signal == signal.SIGTERM else "interrupted"
            low, high = to_tensors(batch, recipe.data.crop, device)
            rates = learning_rates(run.iteration, recipe, run.lr_factor, run.seconds)
            first = run.iteration < recipe.discriminator.first
            figures = run.learner.step(low, high, rates, first=first, turns=batch.turns)
            if run.learner.warning is not None:
                run.report("warning", message=run.learner.warning)
                run.learner.warning = None
            run.iteration += 1
            pending.append((run.iteration, figures))
            logs = run.iteration % recipe.logging.every == 0 or run.iteration == recipe.train.iterations
            validates = run.iteration % recipe.validation.every == 0
            saves = run.iteration % recipe.saving.every == 0
            if reads_always or logs or validates or saves:
                read()
            if logs:
                run.report("train", **meter.reset(recipe.train.batch_size), lr=rates)
            if recipe.logging.inputs and (run.iteration == 1 or run.iteration % recipe.logging.inputs == 0):
                with meter.paused():
                    _save_inputs(run, batch, low)
            if validates or saves:
                with meter.paused():
                    if validates:
                        validate(run)
                    if saves:
                        save(run)
    finally:
        batches.close()
    raise AssertionError("batches never end")


def validate(run: Run) -> None:
    """Evaluate the EMA on the validation sets; save it by each metric that is the best so far.

    Raises:
        DivergedError: Weights or outputs are not finite.
    """
    failed = "" if is_finite(run.learner.state()[0]) else "weights"
    if run.fabric.is_global_zero and not failed:
        try:
            _validate(run)
        except NotFiniteError as error:
            failed = str(error)
    # All processes have to agree; this also lets the others wait for the first.
    if _any_process(run, bool(failed)):
        raise DivergedError(f"not finite: {failed or 'an output'}")


def _validate(run: Run) -> None:
    began = time.monotonic()
    found = run.validator.run(run.networks.start, run.as_model(), run.folder / "validation" / f"{run.iteration:06}")
    better, worse = run.history.add(run.iteration, found.scores)
    for series in better:
        if not is_artifact(series):  # the weights with the least of one are often the start's
            run.save_weights(run.folder / f"best-{series.replace(' ', '-')}.safetensors")
    if run.validator.decides in better:
        run.save_weights(run.folder / BEST)
    grids = {name: path.relative_to(run.folder).as_posix() for name, path in found.grids.items()}
    run.report(
        "validation", scores=found.scores, grids=grids, best=better, worse=worse, seconds=time.monotonic() - began
    )
    for message in found.warnings:
        run.report("warning", message=message)
    if run.validator.decides in worse:
        run.report("warning", message=f"{run.validator.decides} is worse than at the start")
    _report(run)


def save(run: Run) -> None:
    """Save everything, in all processes together; raises as `Run.save` does."""
    run.save()
    run.fabric.barrier()


def _roll_back(run: Run, why: str) -> bool:
    """Restore the last good state with half the learning rates; False if it diverged too often."""
    rollbacks, factor = run.rollbacks + 1, run.lr_factor / 2
    if rollbacks >= _MOST_DIVERGENCES:
        message = f"diverged for the {ordinal(rollbacks)} time ({why}): stopped; {BEST} is untouched"
        run.report("warning", message=message)
        return False
    iterations = run.states.iterations()
    # A state that diverges again, with lower learning rates, is not good any more.
    target = iterations[1] if iterations[0] == run.rolled_back_to and len(iterations) > 1 else iterations[0]
    run.fabric.barrier()
    if run.fabric.is_global_zero:
        run.states.remove_after(target)
    diverged_at = run.iteration
    # The best weights so far were good, and are still there; time goes on.
    history, seconds = run.history, run.seconds
    run.restore(target)
    run.history, run.seconds, run.rolled_back_to = history, seconds, target
    run.rollbacks, run.lr_factor = rollbacks, factor
    # Whatever ends the process now, it resumes with these rates.
    run.save(again=True)
    message = (
        f"diverged after iteration {diverged_at} ({why}): rolled back to iteration {target}, "
        f"with {factor:g} times the learning rates"
    )
    run.report("rollback", to=target, lr_factor=factor, message=message)
    return True


def _save_inputs(run: Run, batch: Batch, low: Tensor) -> None:
    if run.fabric.is_global_zero and not batch.low.is_floating_point():
        path = run.folder / "inputs" / f"{run.iteration:06}.png"
        path.parent.mkdir(exist_ok=True)
        write_inputs(path, low, batch.samples)
        run.report("inputs", picture=path.relative_to(run.folder).as_posix())


def _report(run: Run) -> None:
    if run.fabric.is_global_zero:
        write_report(run.folder)


def _any_process(run: Run, flag: bool) -> bool:
    """Whether the flag is set in any process: all of them have to stop in the same iteration."""
    if run.fabric.world_size == 1:
        return flag
    found = run.fabric.all_reduce(torch.tensor(float(flag), device=run.fabric.device), reduce_op="sum")
    assert isinstance(found, Tensor)
    return bool(found > 0)


def _check_disk(folder: Path, networks: Networks, recipe: TrainRecipe, *, resumed: bool) -> None:
    """Check that there is disk space for all that is kept, and for one more state while an old one is replaced.

    Raises:
        ResourceError: There is not.
    """
    kept, written = bytes_on_disk(networks, recipe)
    needed = written if resumed else kept + written
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ResourceError(
            f"{folder}: {file_size(free)} free, states and weights need {file_size(needed)}; make room, choose another "
            "folder, or --set saving.keep=2"
        )


def _destroy_process_group() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _in_words(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


@contextmanager
def _deterministic(run: Run) -> Iterator[None]:
    """Choose deterministic kernels if the recipe says so and the device has them."""
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
