"""A training from its recipe to its weights: set up, fit, validate."""

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor

from aimanga.atomic import locked
from aimanga.batch import Watcher
from aimanga.config import load, to_toml, write_toml
from aimanga.degrade import load_recipe as load_degradation
from aimanga.device import device_in_words
from aimanga.errors import AimangaError, UsageError
from aimanga.models import LoadedModel, save_checkpoint
from aimanga.train.check import DataSet, check
from aimanga.train.fabric import make_fabric
from aimanga.train.feed import Batch, Feed, pair
from aimanga.train.grids import fed_sheet
from aimanga.train.guard import Guard
from aimanga.train.interrupts import Stop, stoppable
from aimanga.train.learner import DIFFERENCE, DivergedError, Learner
from aimanga.train.log import Log
from aimanga.train.networks import Networks, build
from aimanga.train.origin import versions
from aimanga.train.recipe import RecipeFile, TrainRecipe, load_recipe
from aimanga.train.report import write_report
from aimanga.train.schedule import rates_at
from aimanga.train.sources import find_sets
from aimanga.train.states import State, States, is_finite
from aimanga.train.validation import HELD_OUT, REAL, History, Validator
from aimanga.upscale.memory import freed_memory_kept

RECIPE = "recipe.toml"
LATEST = "latest.safetensors"
BEST = "best.safetensors"

_MOST_DIVERGENCES = 3

Reason = Literal["finished", "interrupted", "terminated", "out of time", "diverged"]
"""Why a training has ended."""

# What can change when a training is gone on with: it does not alter what the next iterations compute, or only how.
_FREE = (
    "description", "license", "compute", "saving", "logging", "validation",
    "train.iterations", "train.hours", "train.accumulate",
    "data.sources", "data.readers", "data.problems", "data.max_pixels",
)  # fmt: skip


class TrainWatcher(Protocol):
    """Is told how a training goes on."""

    def checking(self) -> Watcher:
        """The data is about to be checked: who wants to be told about each file."""

    def iterated(self, iteration: int, iterations: int, figures: Mapping[str, float]) -> None:
        """An iteration is done; its figures are those of `Learner.step`."""

    def happened(self, event: Mapping[str, object]) -> None:
        """Something was written into the log: see `Log`."""


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


@dataclass
class Run:
    """A training at work.

    Attributes:
        file: Its recipe.
        folder: Where its results go.
        fabric: Where it runs.
        precision: fp32, bf16 or fp16.
        networks: What it began with.
        learner: What changes.
        data: What it learns from.
        feed: In which order.
        validator: What measures it.
        history: The best of each measure so far.
        states: What is saved of it.
        guard: What notices explosions.
        watcher: Who is told.
        log: What is written down; None but in the first process.
        iteration: How many iterations are done.
        rate_factor: What the learning rates are multiplied with, for it has diverged.
        rollbacks: How often it has.
        rolled_back_to: The state to which it went back last.
    """

    file: RecipeFile
    folder: Path
    fabric: Fabric
    precision: str
    networks: Networks
    learner: Learner
    data: DataSet
    feed: Feed
    validator: Validator
    states: States
    watcher: TrainWatcher | None
    history: History = field(default_factory=History)
    guard: Guard = field(default_factory=Guard)
    log: Log | None = None
    iteration: int = 0
    rate_factor: float = 1.0
    rollbacks: int = 0
    rolled_back_to: int | None = None

    @property
    def recipe(self) -> TrainRecipe:
        """What the recipe says."""
        return self.file.recipe

    def say(self, event: str, **fields: object) -> None:
        """Write an event down, and tell it."""
        if self.log is not None:
            written = self.log.write(event, self.iteration, **fields)
            if self.watcher is not None:
                self.watcher.happened(written)


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
    problems: list[str] = []
    states = States(folder, recipe.saving.keep)
    if recipe.train.batch % (fabric.world_size * recipe.train.accumulate):
        problems.append(
            f"{file.where('train', 'batch')}: {recipe.train.batch} does not divide by {fabric.world_size} processes "
            f"of {recipe.train.accumulate} parts"
        )
    with _collecting(problems):
        _check_folder(folder, states, recipe, resume=resume)
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
        if not stack.enter_context(locked(folder / ".lock")):
            raise UsageError(f"{folder}: another training is at work there")
        data = check(
            file, sets, networks.scale, folder / "data.jsonl",
            jobs=jobs, watcher=watcher.checking() if watcher else None,
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
        _restore(run, saved[0])
    if fabric.is_global_zero:
        write_toml(recipe, folder / RECIPE, "What this training was started with; see aimanga train --help.")
        resumed_at = run.iteration if saved else None
        run.log = stack.enter_context(Log(folder, tensorboard=recipe.logging.tensorboard, resumed_at=resumed_at))
    _say_start(run, resumed=bool(saved))
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
                    _write_state(run)
            run.say("end", reason="failed", message=_in_words(error), seconds=time.monotonic() - begin)
            _report(run)
            raise
    run.say("end", reason=reason, message=None, seconds=time.monotonic() - begin)
    _report(run)
    return TrainResult(run.folder, run.iteration, reason, run.folder / BEST)


def _iterate(run: Run, stop: Stop, begin: float) -> Reason | None:
    """Do iterations until something ends them, or the training diverges."""
    recipe = run.recipe
    tally = _Tally()
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
        model = _as_model(run)
        found = run.validator.run(run.networks.start, model, run.folder / "validation" / f"{run.iteration:06}")
        better, worse = run.history.add(run.iteration, found.scores)
        for series in better:
            _save_weights(run, run.folder / f"best-{series.replace(' ', '-')}.safetensors")
        if run.validator.decides in better:
            _save_weights(run, run.folder / BEST)
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
    """Save the state, and the average as `latest.safetensors`; what is saved already is left.

    Raises:
        DivergedError: There are weights that are not finite.
    """
    _write_state(run)
    run.fabric.barrier()


def _write_state(run: Run) -> None:
    tensors, rest = run.learner.state()
    if not is_finite(tensors):
        raise DivergedError("not finite: weights")
    if run.fabric.is_global_zero and run.iteration not in run.states.iterations():
        rest |= {
            "guard": run.guard.seen,
            "rate_factor": run.rate_factor,
            "rollbacks": run.rollbacks,
            "history": run.history.to_json(),
            "data": run.data.digest,
        }
        run.states.save(State(run.iteration, tensors, rest))
        _save_weights(run, run.folder / LATEST)
        run.say("saved")


def _restore(run: Run, iteration: int) -> None:
    """Make everything as it was at the end of an iteration."""
    state = run.states.load(iteration)
    if state.rest["data"] != run.data.digest:
        raise UsageError(
            f"{run.file.where('data', 'sources')}: the training in {run.folder} was begun with other pictures"
        )
    try:
        run.learner.restore(state.tensors, state.rest)
    except (KeyError, RuntimeError, ValueError) as error:
        raise UsageError(f"{run.states.folder}: the state of iteration {iteration} is of other networks") from error
    run.iteration = state.iteration
    run.guard = Guard(state.rest["guard"])
    run.history = History.from_json(state.rest["history"])
    run.rate_factor = state.rest["rate_factor"]
    run.rollbacks = state.rest["rollbacks"]


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
    _restore(run, target)
    run.rolled_back_to = target
    run.rollbacks, run.rate_factor = rollbacks, factor
    message = (
        f"diverged after iteration {diverged_at} ({why}): back to iteration {target} with {factor:g} times the rates"
    )
    run.say("rollback", to=target, lr_factor=factor, message=message)
    return True


def _check_folder(folder: Path, states: States, recipe: TrainRecipe, *, resume: bool) -> None:
    """See that a new training finds no old one, and that one that is gone on with is the same."""
    saved = states.iterations()
    if not saved:
        return
    if not resume:
        raise UsageError(
            f"{folder}: a training is there, at iteration {saved[0]}; --resume goes on, another folder begins anew"
        )
    before = load(TrainRecipe, folder / RECIPE)
    free = _FREE if recipe.train.schedule != "cosine" else tuple(key for key in _FREE if key != "train.iterations")
    now, then = _flat(recipe.model_dump(mode="json")), _flat(before.model_dump(mode="json"))
    changed = [
        f"{key} ({then.get(key)} before, {now.get(key)} now)"
        for key in sorted(now.keys() | then.keys())
        if now.get(key) != then.get(key) and not any(key == name or key.startswith(f"{name}.") for name in free)
    ]
    if changed:
        raise UsageError(
            f"{folder}: the training there was begun otherwise: {', '.join(changed)}; another folder begins anew"
        )


def _flat(table: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested tables as dotted keys."""
    found: dict[str, object] = {}
    for key, value in table.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def _as_model(run: Run) -> LoadedModel:
    start = run.networks.start
    return replace(start, name=f"iteration {run.iteration}", network=run.learner.average)


def _save_weights(run: Run, path: Path) -> None:
    start = run.networks.start
    save_checkpoint(
        path,
        run.learner.average,
        scale=start.scale,
        license=run.recipe.license or start.license,
        training_data=(
            f"{run.data.pictures} pictures (SHA-256 {run.data.digest}), "
            f"{run.iteration} iterations of {run.recipe.train.batch}"
        ),
        recipe=to_toml(run.recipe),
        parent=f"{start.name} (SHA-256 {start.sha256})" if start.sha256 else None,
        versions=versions(),
    )


def _say_start(run: Run, *, resumed: bool) -> None:
    networks = {"generator": run.learner.generator, "discriminator": run.learner.discriminator}
    run.say(
        "start",
        recipe=to_toml(run.recipe),
        description=run.recipe.description.strip(),
        device=device_in_words(run.fabric.device),
        processes=run.fabric.world_size,
        precision=run.precision,
        start=run.networks.start.name,
        pictures=run.data.pictures,
        problems=len(run.data.problems),
        held_out=run.validator.count(HELD_OUT),
        real=run.validator.count(REAL),
        data=run.data.digest,
        parameters={
            name: sum(p.numel() for p in network.parameters())
            for name, network in networks.items()
            if network is not None
        },
        samples_per_iteration=run.recipe.train.batch,
        iterations=run.recipe.train.iterations,
        versions=versions(),
        resumed=resumed,
    )


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
    return float(found) > 0  # type: ignore[arg-type]


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


class _Tally:
    """Means of figures over some iterations, and the time that they took."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._count = 0
        self._begin = time.perf_counter()

    def add(self, figures: Mapping[str, float]) -> None:
        """Count an iteration."""
        self._count += 1
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The block's time does not count."""
        begin = time.perf_counter()
        yield
        self._begin += time.perf_counter() - begin

    def taken(self, batch: int) -> dict[str, object]:
        """The fields of a line of the log; counting begins anew."""
        seconds = (time.perf_counter() - self._begin) / self._count
        means = {name: value / self._count for name, value in self._sums.items()}
        gradients = {
            name.removeprefix("gradient "): means.pop(name) for name in list(means) if name.startswith("gradient ")
        }
        difference = means.pop(DIFFERENCE)
        self._sums, self._count, self._begin = {}, 0, time.perf_counter()
        return {
            "losses": means,
            "difference": difference,
            "gradients": gradients,
            "samples_per_second": batch / seconds,
            "seconds": seconds,
        }
