"""Explain a recipe: its values with their descriptions, and what it costs on this machine."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from aimanga.config import Key
from aimanga.device import device_in_words
from aimanga.memory import freed_memory_kept
from aimanga.train.fabric import make_fabric
from aimanga.train.learner import Learner
from aimanga.train.networks import Networks, build, is_missing
from aimanga.train.reading import RecipeFile
from aimanga.train.recipe import TrainRecipe
from aimanga.train.schedule import learning_rates
from aimanga.train.states import bytes_on_disk


@dataclass(frozen=True)
class Value:
    """One value of a recipe.

    Attributes:
        key: Its key: `train.lr`.
        value: The value.
        description: What it means.
        default: Whether it is the default.
    """

    key: str
    value: object
    description: str
    default: bool


@dataclass(frozen=True)
class Cost:
    """The cost of a recipe on this machine.

    Attributes:
        device: The device, for people.
        precision: fp32, bf16 or fp16.
        parameters: Numbers of weights by the names of the networks.
        samples: Number of crops in all iterations.
        memory: Estimated RAM or VRAM of the networks, their optimizers and one part of a batch, in bytes.
        disk: Estimated size of the states and weights that are kept, in bytes.
        seconds_per_iteration: Without loading and degrading pictures; measured with batches of one and two.
        random_vgg: Whether random weights replaced those of the perceptual loss's network, which are missing.
    """

    device: str
    precision: str
    parameters: dict[str, int]
    samples: int
    memory: int
    disk: int
    seconds_per_iteration: float
    random_vgg: bool


@dataclass(frozen=True)
class Explanation:
    """What a training would do.

    Attributes:
        path: The recipe's file.
        recipe: Its content.
        values: All of its values, including defaults, with their descriptions.
        cost: Its cost on this machine.
    """

    path: Path
    recipe: TrainRecipe
    values: tuple[Value, ...]
    cost: Cost


def explain(file: RecipeFile, device: str = "auto") -> Explanation:
    """Explain a recipe: its values, and its cost on this machine; errors as for `measure_cost`."""
    return Explanation(file.path, file.recipe, tuple(values(file)), measure_cost(file, device))


def values(file: RecipeFile) -> Iterator[Value]:
    """All values of a recipe, including defaults, in the order of its tables."""
    yield from _values(file.recipe, ())


def _values(table: BaseModel, place: Key) -> Iterator[Value]:
    for name, field in type(table).model_fields.items():
        value, key = getattr(table, name), (*place, name)
        if isinstance(value, BaseModel):
            yield from _values(value, key)
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            for number, element in enumerate(value):
                yield from _values(element, (*key, number))
        else:
            description = " ".join((field.description or "").split())
            yield Value(".".join(map(str, key)), value, description, value == field.get_default())


def measure_cost(file: RecipeFile, device: str = "auto") -> Cost:
    """Measure the cost of a recipe on this machine with a few iterations of one or two crops.

    Raises:
        UsageError: The networks cannot be built; the message names all that is wrong.
    """
    recipe = file.recipe
    networks, loss = build(file, random_vgg=True), recipe.losses.perceptual
    fabric, precision, scaler = make_fabric(device, recipe)
    undivided = recipe.replaced(train=recipe.train.replaced(accumulate=1))
    learner = Learner(networks, undivided, fabric, scaler)
    side = recipe.data.crop
    high = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0)).to(fabric.device)
    low = high[:, :, :: networks.scale, :: networks.scale].contiguous()
    rates = learning_rates(0, undivided)

    def seconds(crops: int) -> float:
        begin = time.perf_counter()
        learner.step(low[:crops], high[:crops], rates)
        return time.perf_counter() - begin

    saved = _Saved(networks)
    with freed_memory_kept():
        with torch.autograd.graph.saved_tensors_hooks(saved.pack, lambda x: x):
            learner.step(low[:1], high[:1], rates)
        seconds(2)  # warm-up
        one, two = seconds(1), seconds(2)
    trained = networks.trained()
    parameters = {name: sum(p.numel() for p in network.parameters()) for name, network in trained.items()}
    # Weights, gradients and Adam's two moments in float32, and the generator's EMA.
    fixed = 16 * sum(parameters.values()) + 4 * parameters["generator"]
    if networks.vgg is not None:
        fixed += sum(p.numel() * p.element_size() for p in networks.vgg.parameters())
    share = recipe.train.batch_size // (fabric.world_size * recipe.train.accumulate)
    return Cost(
        device=device_in_words(fabric.device),
        precision=precision,
        parameters=parameters,
        samples=recipe.train.batch_size * recipe.train.iterations,
        memory=fixed + share * saved.bytes,
        disk=bytes_on_disk(networks, recipe)[0],
        # The update of the weights takes as long for any batch size.
        seconds_per_iteration=one + (recipe.train.batch_size / fabric.world_size - 1) * max(0.0, two - one),
        random_vgg=networks.vgg is not None and loss is not None and is_missing(loss),
    )


class _Saved:
    """Counts what autograd saves for the backward pass: nearly all memory of an iteration beside the weights."""

    def __init__(self, networks: Networks) -> None:
        held: list[nn.Module] = [*networks.trained().values()]
        if networks.vgg is not None:
            held.append(networks.vgg)
        self._seen = {p.untyped_storage().data_ptr() for network in held for p in network.parameters()}
        self.bytes = 0

    def pack(self, x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        if storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            self.bytes += storage.nbytes()
        return x
