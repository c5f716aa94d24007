"""What a recipe says, and what follows from it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from aimanga.config import Key
from aimanga.device import device_in_words
from aimanga.memory import freed_memory_kept
from aimanga.train.fabric import make_fabric
from aimanga.train.learner import Learner
from aimanga.train.networks import Networks, build
from aimanga.train.recipe import RecipeFile
from aimanga.train.schedule import rates_at
from aimanga.train.states import bytes_on_disk
from aimanga.weights import weight_file


@dataclass(frozen=True)
class Value:
    """One value of a recipe.

    Attributes:
        key: Where it stands: `train.lr`.
        value: The value.
        description: What it means.
        default: Whether it is what it would be if the recipe did not say it.
    """

    key: str
    value: object
    description: str
    default: bool


@dataclass(frozen=True)
class Consequences:
    """What follows from a recipe on this machine.

    Attributes:
        device: Where it would run, for people.
        precision: fp32, bf16 or fp16.
        parameters: Numbers of weights by the names of the networks.
        samples: How many squares it sees in all.
        memory: Bytes that the networks, their optimizers and one part of a batch take, about.
        disk: Bytes of the states and weights that are kept, about.
        seconds_per_iteration: Without reading and degrading pictures; measured with one square and with two.
        stand_in: Whether random weights stood in for VGG19's.
    """

    device: str
    precision: str
    parameters: dict[str, int]
    samples: int
    memory: int
    disk: int
    seconds_per_iteration: float
    stand_in: bool


def values(file: RecipeFile) -> Iterator[Value]:
    """All values of a recipe, defaults and all, in the order of its tables."""
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


def consequences(file: RecipeFile, device: str = "auto") -> Consequences:
    """Measure what a recipe costs on this machine; takes as long as a few iterations of one or two squares.

    Raises:
        UsageError: The networks cannot be had; the message names all that is wrong.
    """
    recipe = file.recipe
    networks = build(file, stand_in=True)
    fabric, precision, scaler = make_fabric(device, recipe)
    whole = recipe.replaced(train=recipe.train.replaced(accumulate=1))
    learner = Learner(networks, whole, fabric, scaler)
    side = recipe.data.crop
    high = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0)).to(fabric.device)
    low = high[:, :, :: networks.scale, :: networks.scale].contiguous()
    rates = rates_at(0, whole)

    def seconds(squares: int) -> float:
        begin = time.perf_counter()
        learner.step(low[:squares], high[:squares], rates)
        return time.perf_counter() - begin

    saved = _Saved(networks)
    with freed_memory_kept():
        with torch.autograd.graph.saved_tensors_hooks(saved.pack, lambda x: x):
            learner.step(low[:1], high[:1], rates)
        seconds(2)  # for memory, and for kernels that are chosen at first
        one, two = seconds(1), seconds(2)
    trained = networks.trained()
    parameters = {name: sum(p.numel() for p in network.parameters()) for name, network in trained.items()}
    # Of each weight: itself, its gradient, and Adam's two means, in float32; of the generator's its average, too.
    fixed = 16 * sum(parameters.values()) + 4 * parameters["generator"]
    if networks.vgg is not None:
        fixed += sum(p.numel() * p.element_size() for p in networks.vgg.parameters())
    share = recipe.train.batch // (fabric.world_size * recipe.train.accumulate)
    return Consequences(
        device=device_in_words(fabric.device),
        precision=precision,
        parameters=parameters,
        samples=recipe.train.batch * recipe.train.iterations,
        memory=fixed + share * saved.bytes,
        disk=bytes_on_disk(networks, recipe)[0],
        # Updating the weights takes as long for any number of squares.
        seconds_per_iteration=one + (recipe.train.batch / fabric.world_size - 1) * max(0.0, two - one),
        stand_in=networks.vgg is not None and not weight_file("vgg19").path.is_file(),
    )


class _Saved:
    """Counts what autograd keeps for the way back: nearly all that an iteration takes beside its weights."""

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
