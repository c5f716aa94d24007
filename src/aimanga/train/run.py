"""A run: everything that belongs to a training, and how it is saved and restored."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from lightning_fabric import Fabric

from aimanga.config import to_toml
from aimanga.device import device_in_words
from aimanga.errors import DivergedError, UsageError
from aimanga.models import LoadedModel, save_checkpoint
from aimanga.train.check import DataSet
from aimanga.train.divergence import DivergenceCheck
from aimanga.train.learner import Learner
from aimanga.train.loader import Loader
from aimanga.train.log import Log
from aimanga.train.networks import Networks
from aimanga.train.provenance import provenance
from aimanga.train.reading import RecipeFile, without_folders
from aimanga.train.recipe import TrainRecipe
from aimanga.train.scores import History
from aimanga.train.states import State, States, is_finite
from aimanga.train.validation import Validator
from aimanga.train.validation_sets import HELD_OUT, REAL
from aimanga.train.watcher import TrainWatcher
from aimanga.train.windows import Windows

LATEST = "latest.safetensors"
BEST = "best.safetensors"


@dataclass
class Run:
    """A training in progress.

    Attributes:
        file: Its recipe.
        folder: The folder of its results.
        fabric: Device, precision and processes.
        precision: fp32, bf16 or fp16.
        networks: The networks at iteration 0.
        learner: Does the iterations.
        data: The training data.
        source: Loads the batches.
        validator: Evaluates the network on the validation sets.
        history: The first and the best scores.
        states: The saved states.
        divergence: Detects divergence.
        watcher: Reports progress.
        log: None except in the first process.
        iteration: The number of iterations done.
        lr_factor: Multiplies the learning rates: halved by each rollback.
        rollbacks: The number of rollbacks.
        rolled_back_to: The iteration of the last rollback's state.
        seconds: How long it has trained, interruptions left out.
    """

    file: RecipeFile
    folder: Path
    fabric: Fabric
    precision: str
    networks: Networks
    learner: Learner
    data: DataSet
    source: Loader | Windows
    validator: Validator
    states: States
    watcher: TrainWatcher
    history: History = field(default_factory=History)
    divergence: DivergenceCheck = field(default_factory=DivergenceCheck)
    log: Log | None = None
    iteration: int = 0
    lr_factor: float = 1.0
    rollbacks: int = 0
    rolled_back_to: int | None = None
    seconds: float = 0.0

    @property
    def recipe(self) -> TrainRecipe:
        """The content of the recipe."""
        return self.file.recipe

    def report(self, event: str, **fields: object) -> None:
        """Write an event into the log, and call the watcher."""
        if self.log is not None:
            self.watcher.on_event(self.log.write(event, self.iteration, **fields))

    def report_start(self, *, resumed: bool) -> None:
        """Report what the training is."""
        networks = {"generator": self.learner.generator, "discriminator": self.learner.discriminator}
        self.report(
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
            samples_per_iteration=self.recipe.train.batch_size,
            iterations=self.recipe.train.iterations,
            versions=provenance(),
            resumed=resumed,
        )

    def save(self, *, again: bool = False) -> None:
        """Save the state, and the EMA as `latest.safetensors`.

        Args:
            again: Even if the iteration was saved before.

        Raises:
            DivergedError: Weights are not finite.
        """
        tensors, rest = self.learner.state()
        if not is_finite(tensors):
            raise DivergedError("not finite: weights")
        if self.fabric.is_global_zero and (again or self.iteration not in self.states.iterations()):
            rest |= {
                "recent_l1": self.divergence.recent,
                "lr_factor": self.lr_factor,
                "rollbacks": self.rollbacks,
                "rolled_back_to": self.rolled_back_to,
                "seconds": self.seconds,
                "on_device": isinstance(self.source, Loader) and self.source.on_device,
                "history": self.history.to_json(),
                "data": self.data.digest,
            }
            self.states.save(State(self.iteration, tensors, rest))
            self.save_weights(self.folder / LATEST)
            self.report("saved")

    def restore(self, iteration: int) -> None:
        """Restore the state of an iteration.

        Raises:
            UsageError: The state is damaged, or of another training.
        """
        state = self.states.load(iteration)
        if state.rest["data"] != self.data.digest:
            raise UsageError(f"{self.file.where('data', 'sources')}: the training in {self.folder} has other pictures")
        try:
            self.learner.restore(state.tensors, state.rest)
        except (KeyError, RuntimeError, ValueError) as error:
            raise UsageError(
                f"{self.states.folder}: the state of iteration {iteration} is of other networks"
            ) from error
        self.iteration = state.iteration
        self.divergence = DivergenceCheck(state.rest["recent_l1"])
        self.history = History.from_json(state.rest["history"])
        self.lr_factor = state.rest["lr_factor"]
        self.rollbacks, self.rolled_back_to = state.rest["rollbacks"], state.rest["rolled_back_to"]
        self.seconds = state.rest["seconds"]
        if isinstance(self.source, Loader) and self.recipe.data.degrade_on == "auto":
            self.source.on_device = state.rest["on_device"]

    def as_model(self) -> LoadedModel:
        """The EMA as a model for the engine that users run."""
        start = self.networks.start
        return replace(start, name=f"iteration {self.iteration}", network=self.learner.ema)

    def save_weights(self, path: Path) -> None:
        """Write the EMA as a checkpoint with its recipe, data and versions."""
        start = self.networks.start
        save_checkpoint(
            path,
            self.learner.ema,
            scale=start.scale,
            license=self.recipe.license or start.license,
            training_data=(
                f"{self.data.pictures} pictures (SHA-256 {self.data.digest}), "
                f"{self.iteration} iterations of {self.recipe.train.batch_size}"
            ),
            recipe=to_toml(without_folders(self.recipe)),
            parent=f"{Path(start.name).name} (SHA-256 {start.sha256})" if start.sha256 else None,
            programs=provenance(),
        )
