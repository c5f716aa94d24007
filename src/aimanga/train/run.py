"""A training at work: all that belongs to it, and how it is kept on the disk."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from lightning_fabric import Fabric

from aimanga.batch import Watcher
from aimanga.config import to_toml
from aimanga.device import device_in_words
from aimanga.errors import DivergedError, UsageError
from aimanga.models import LoadedModel, save_checkpoint
from aimanga.train.check import DataSet
from aimanga.train.feed import Feed
from aimanga.train.guard import Guard
from aimanga.train.learner import Learner
from aimanga.train.log import Log
from aimanga.train.networks import Networks
from aimanga.train.origin import versions
from aimanga.train.recipe import RecipeFile, TrainRecipe, without_folders
from aimanga.train.states import State, States, is_finite
from aimanga.train.validation import HELD_OUT, REAL, History, Validator

RECIPE = "recipe.toml"
LATEST = "latest.safetensors"
BEST = "best.safetensors"


class TrainWatcher(Protocol):
    """Is told how a training goes on."""

    def checking(self, files: int) -> Watcher:
        """So many files are about to be checked: who wants to be told about each of them."""

    def iterated(self, iteration: int, iterations: int, figures: Mapping[str, float]) -> None:
        """An iteration is done; its figures are those of `Learner.step`."""

    def happened(self, event: Mapping[str, object]) -> None:
        """Something was written into the log: see `Log`."""


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

    def say_start(self, *, resumed: bool) -> None:
        """Write down what the training is."""
        networks = {"generator": self.learner.generator, "discriminator": self.learner.discriminator}
        self.say(
            "start",
            recipe=to_toml(self.recipe),
            description=self.recipe.description.strip(),
            device=device_in_words(self.fabric.device),
            processes=self.fabric.world_size,
            precision=self.precision,
            start=self.networks.start.name,
            pictures=self.data.pictures,
            problems=len(self.data.problems),
            held_out=self.validator.count(HELD_OUT),
            real=self.validator.count(REAL),
            data=self.data.digest,
            parameters={
                name: sum(p.numel() for p in network.parameters())
                for name, network in networks.items()
                if network is not None
            },
            samples_per_iteration=self.recipe.train.batch,
            iterations=self.recipe.train.iterations,
            versions=versions(),
            resumed=resumed,
        )

    def save(self) -> None:
        """Save the state, and the average as `latest.safetensors`; what is saved already is left.

        Raises:
            DivergedError: There are weights that are not finite.
        """
        tensors, rest = self.learner.state()
        if not is_finite(tensors):
            raise DivergedError("not finite: weights")
        if self.fabric.is_global_zero and self.iteration not in self.states.iterations():
            rest |= {
                "guard": self.guard.seen,
                "rate_factor": self.rate_factor,
                "rollbacks": self.rollbacks,
                "history": self.history.to_json(),
                "data": self.data.digest,
            }
            self.states.save(State(self.iteration, tensors, rest))
            self.save_weights(self.folder / LATEST)
            self.say("saved")

    def restore(self, iteration: int) -> None:
        """Make everything as it was at the end of an iteration.

        Raises:
            UsageError: The state is damaged, or of another training.
        """
        state = self.states.load(iteration)
        if state.rest["data"] != self.data.digest:
            raise UsageError(
                f"{self.file.where('data', 'sources')}: the training in {self.folder} was begun with other pictures"
            )
        try:
            self.learner.restore(state.tensors, state.rest)
        except (KeyError, RuntimeError, ValueError) as error:
            raise UsageError(
                f"{self.states.folder}: the state of iteration {iteration} is of other networks"
            ) from error
        self.iteration = state.iteration
        self.guard = Guard(state.rest["guard"])
        self.history = History.from_json(state.rest["history"])
        self.rate_factor = state.rest["rate_factor"]
        self.rollbacks = state.rest["rollbacks"]

    def as_model(self) -> LoadedModel:
        """The average as it is now, for the engine that users run."""
        start = self.networks.start
        return replace(start, name=f"iteration {self.iteration}", network=self.learner.average)

    def save_weights(self, path: Path) -> None:
        """Write the average as a checkpoint that says where it is from."""
        start = self.networks.start
        save_checkpoint(
            path,
            self.learner.average,
            scale=start.scale,
            license=self.recipe.license or start.license,
            training_data=(
                f"{self.data.pictures} pictures (SHA-256 {self.data.digest}), "
                f"{self.iteration} iterations of {self.recipe.train.batch}"
            ),
            recipe=to_toml(without_folders(self.recipe)),
            parent=f"{Path(start.name).name} (SHA-256 {start.sha256})" if start.sha256 else None,
            programs=versions(),
        )
