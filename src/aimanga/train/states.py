"""Save and load the state of a training in safetensors: everything that the next iterations depend on."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from aimanga.atomic import remove_remains, replacing
from aimanga.errors import UsageError
from aimanga.train.networks import Networks
from aimanga.train.recipe import TrainRecipe

FOLDER = "state"
_NAME = re.compile(r"iteration-(\d{8,})\.safetensors")


@dataclass(frozen=True)
class State:
    """The state of a training between two iterations.

    Attributes:
        iteration: The number of iterations done.
        tensors: Networks and optimizers, by names of `Learner.state`.
        rest: Everything else, which JSON can hold.
    """

    iteration: int
    tensors: Mapping[str, Tensor]
    rest: Mapping[str, Any]


class States:
    """The last states in a run's folder.

    Args:
        folder: The run's folder.
        keep: The number of states to keep.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder / FOLDER
        self._keep = keep

    def iterations(self) -> list[int]:
        """The iterations of the saved states, the last one first."""
        names = (_NAME.fullmatch(path.name) for path in self.folder.glob("*"))
        return sorted((int(name[1]) for name in names if name), reverse=True)

    def save(self, state: State) -> None:
        """Write a state, then remove the oldest ones. A killed process leaves the earlier states intact."""
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_remains(self.folder)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}
        rest = json.dumps({"iteration": state.iteration, **state.rest})
        with replacing(self._path(state.iteration)) as part:
            save_file(tensors, part, {"aimanga.training": rest})
        for iteration in self.iterations()[self._keep :]:
            self._path(iteration).unlink()

    def load(self, iteration: int) -> State:
        """Read a state.

        Raises:
            UsageError: It is missing or damaged.
        """
        path = self._path(iteration)
        try:
            with safe_open(path, "pt") as file:
                rest = json.loads(file.metadata()["aimanga.training"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{path}: this state is damaged: {error}; remove it to resume from the one before"
            ) from error
        return State(rest.pop("iteration"), tensors, rest)

    def remove_after(self, iteration: int) -> None:
        """Remove the states of later iterations, after a rollback."""
        for later in self.iterations():
            if later > iteration:
                self._path(later).unlink()

    def _path(self, iteration: int) -> Path:
        return self.folder / f"iteration-{iteration:08}.safetensors"


def bytes_on_disk(networks: Networks, recipe: TrainRecipe) -> tuple[int, int]:
    """Estimate the disk space of a training in bytes: of all states and weights that it keeps, and of one saving."""
    weights = {name: 4 * sum(p.numel() for p in network.parameters()) for name, network in networks.trained().items()}
    # The weights of each network and Adam's two moments, and the generator's EMA.
    state = 3 * sum(weights.values()) + (weights["generator"] if recipe.train.ema.decay > 0 else 0)
    # The best and the latest weights, and the best by each metric on each of the two validation sets.
    kept = 2 + 2 * (1 + len(recipe.validation.metrics))
    return recipe.saving.keep * state + kept * weights["generator"], state + weights["generator"]


def is_finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether all values are finite."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())
