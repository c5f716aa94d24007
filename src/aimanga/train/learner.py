"""One training iteration: forward and backward passes, optimizers, EMA. Nothing in it waits for a GPU."""

import copy
import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Adam, AdamW, Optimizer

from aimanga.degrade.blur import usm_sharpen
from aimanga.errors import DivergedError
from aimanga.losses import (
    charbonnier,
    colour_consistency,
    discriminator_losses,
    feature_matching,
    focal_frequency,
    generator_loss,
    grid,
    l1,
    ldl,
    ms_ssim_loss,
    perceptual,
)
from aimanga.models import UNetDiscriminator, UNetDiscriminatorSN
from aimanga.models.networks import Generator, Tail
from aimanga.train.compiling import CompiledBlocks
from aimanga.train.networks import Networks, estimate_norms
from aimanga.train.recipe import TrainRecipe

# Compilation takes as long as hundreds of iterations.
_WORTH_COMPILING = 1000

L1 = "l1"
"""The L1 loss against the HR crops, in the range [0, 1], which is measured whatever the losses of a recipe."""


@dataclass(frozen=True, eq=False)
class Figures:
    """What an iteration measured, still on the device: reading it waits for the iteration to end.

    Attributes:
        names: Names of the losses, unweighted; `total`, which is weighted; `L1`; and `gradient generator` and `gradient
            discriminator`, the norms.
        values: Their means over all processes.
        may_overflow: Whether gradients may be infinite: the gradient scaler of fp16 finds its scale by them.
    """

    names: tuple[str, ...]
    values: Tensor
    may_overflow: bool = False

    def read(self) -> dict[str, float]:
        """The values by their names.

        Raises:
            DivergedError: A loss or a gradient is not finite; the iteration changed no weights.
        """
        numbers = dict(zip(self.names, self.values.tolist(), strict=True))
        broken = [
            name
            for name, number in numbers.items()
            if not math.isfinite(number) and not (self.may_overflow and name.startswith("gradient"))
        ]
        if broken:
            raise DivergedError(f"not finite: {', '.join(broken)}")
        return numbers


class Learner:
    """Trains a generator, and a discriminator against it.

    In an iteration the discriminator judges the HR crops and the generator's outputs once. The same logits of the
    outputs train both: the generator through the outputs, the discriminator through its own weights. (Usually the
    outputs are judged twice, the second time detached from the generator, with the same result.)

    Args:
        networks: The networks to train; they are changed.
        recipe: Losses, optimizers, EMA, compute.
        fabric: Device, precision and processes.
        scaler: Gradient scaler for fp16; None otherwise.

    Attributes:
        generator: The network in training, in float32.
        ema: The EMA of its weights; the network itself if the recipe has none.
        warning: Why blocks that were to be compiled are not; None until the first iteration, or if they are.
        consistent: True between iterations. `state()` is only consistent then.
    """

    def __init__(
        self, networks: Networks, recipe: TrainRecipe, fabric: Fabric, scaler: GradScaler | None = None
    ) -> None:
        self._recipe, self._fabric, self._scaler = recipe, fabric, scaler
        self._frozen = recipe.model.freeze
        self.generator = networks.generator
        self.discriminator = networks.discriminator
        self._trained = networks.trained()
        self.ema: Generator = self.generator
        memory = torch.channels_last if recipe.compute.channels_last else torch.contiguous_format
        self._memory = memory
        if self._frozen:
            self.generator.freeze(self._frozen)
        # The EMA has the memory format of the weights: only then are they averaged by fused operations.
        self.generator.to(fabric.device, memory_format=memory)  # type: ignore[call-overload]
        if recipe.train.ema.decay > 0:
            self.ema = copy.deepcopy(self.generator).requires_grad_(False).eval()
        self._generate = self._set_up(Tail(self.generator, self._frozen) if self._frozen else self.generator)
        self.optimizers: dict[str, Optimizer] = {"generator": _optimizer(self.generator, recipe)}
        self._discriminate: nn.Module | None = None
        if self.discriminator is not None:
            # In evaluation mode a forward pass leaves the estimated norms alone: see `networks.estimate_norms`.
            self._discriminate = self._set_up(self.discriminator.eval())
            self.optimizers["discriminator"] = _optimizer(self.discriminator, recipe)
        self._matched = _Captured(self.discriminator) if "feature_matching" in recipe.losses.active else None
        # Its results are stored if the crops are.
        self._teacher = None if recipe.stored else networks.teacher
        if self._teacher is not None:
            self._teacher.to(fabric.device, memory_format=memory).requires_grad_(False).eval()  # type: ignore[call-overload]
        self._vgg = networks.vgg
        if self._vgg is not None:
            # Its weights are never updated: cast once, instead of in each iteration.
            kind = fabric.device.type
            with fabric.autocast():
                dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
            self._vgg.to(fabric.device)
            self._vgg.features.to(dtype)
            self._vgg.to(memory_format=memory)  # type: ignore[call-overload]
        wanted = recipe.compute.compile
        if wanted == "auto":
            wanted = fabric.device.type == "cuda" and recipe.train.iterations >= _WORTH_COMPILING
        self._compiled = CompiledBlocks(self._generate) if wanted else None
        self._checked = False
        self.warning: str | None = None
        self.consistent = True

    def step(self, low: Tensor, high: Tensor, rates: Mapping[str, float], *, first: bool = False,
             turns: Sequence[int] = ()) -> Figures:  # fmt: skip
        """Do one iteration. If a loss or a gradient is not finite, no weights change; see `Figures.read`.

        Args:
            low: LR crops, N x 3 x h x w, float32, range [0, 1], on the device: this process's share of the batch. With
                frozen blocks their features, N x C x (h + 2 halo) x (w + 2 halo).
            high: HR crops, N x 3 x (h scale) x (w scale), likewise.
            rates: Learning rates by the name of the network.
            first: Train the discriminator alone.
            turns: One of the eight flips and rotations for each crop, in which the losses compare output and HR; empty
                if the crops are turned already.
        """
        parts = self._recipe.train.accumulate
        if self._compiled is not None and not self._checked:
            self._checked = True
            with self._fabric.autocast():
                x = low.chunk(parts)[0].contiguous(memory_format=self._memory)
                self.warning = self._compiled.check(x, self._fabric.backward)
        figures: dict[str, Tensor] = {}
        size = len(high) // parts
        lays = [turns[first_one : first_one + size] for first_one in range(0, size * parts, size)]
        try:
            for part, (x, target, lay) in enumerate(zip(low.chunk(parts), high.chunk(parts), lays, strict=True), 1):
                with ExitStack() as stack:
                    for network in filter(None, (self._generate, self._discriminate)):
                        # Processes average their gradients once, with the last part.
                        stack.enter_context(self._fabric.no_backward_sync(network, enabled=part < parts))  # type: ignore[arg-type]
                    for name, value in self._accumulate(x, target, 1 / parts, first, lay).items():
                        figures[name] = figures.get(name, torch.zeros_like(value)) + value / parts
            return self._update(figures, rates)
        finally:
            for optimizer in self.optimizers.values():
                optimizer.zero_grad(set_to_none=True)

    def state(self) -> tuple[dict[str, Tensor], dict[str, object]]:
        """All that the next iterations depend on: tensors by name, and the rest, which JSON can hold."""
        tensors: dict[str, Tensor] = {}
        for name, network in self._stored().items():
            tensors |= {f"{name}.{key}": value for key, value in network.state_dict().items()}
        for name, optimizer in self.optimizers.items():
            for number, values in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{name}.{number}.{key}": value for key, value in values.items()}
        return tensors, {"scaler": None if self._scaler is None else self._scaler.state_dict()}

    def restore(self, tensors: Mapping[str, Tensor], rest: Mapping[str, object]) -> None:
        """Restore what `state` returned.

        Raises:
            KeyError, RuntimeError: The state is of other networks.
        """
        for name, network in self._stored().items():
            network.load_state_dict(_under(f"{name}.", tensors))
        for name, optimizer in self.optimizers.items():
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in _under(f"optimizer.{name}.", tensors).items():
                number, _, field = key.partition(".")
                # Fused optimizers need the memory format of the parameter in its moments, too; a file does not keep it.
                like = parameters[int(number)] if value.ndim else value
                state.setdefault(int(number), {})[field] = torch.empty_like(like).copy_(value)
            optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
        scaler = rest.get("scaler")
        if self._scaler is not None and isinstance(scaler, dict):
            self._scaler.load_state_dict(scaler)
        self.consistent = True

    def _set_up(self, network: nn.Module) -> nn.Module:
        network.to(memory_format=self._memory)  # type: ignore[call-overload]  # torch's stubs lack it
        return self._fabric.setup_module(network)

    def _stored(self) -> dict[str, nn.Module]:
        return self._trained if self.ema is self.generator else self._trained | {"ema": self.ema}

    def _accumulate(
        self, low: Tensor, high: Tensor, share: float, first: bool, turns: Sequence[int]
    ) -> dict[str, Tensor]:
        """Accumulate the gradients of a part of the batch; return its losses."""
        low, high = (x.contiguous(memory_format=self._memory) for x in (low, high))
        if self._teacher is not None:
            with torch.no_grad(), self._fabric.autocast():
                high = self._teacher(low).float().clamp(0, 1).contiguous(memory_format=self._memory)
        with torch.no_grad() if first else nullcontext():
            output = _centre(self._generate(low), high)
        figures = {L1: l1(output.detach(), high)}
        output, high = (_turned(x, turns) for x in (output, high))
        gan = self._recipe.losses.gan
        real_logits: Sequence[Tensor] = ()
        fake_logits: Sequence[Tensor] = ()
        if not first:
            figures |= self._losses(low, output, high, turns)
        if self._discriminate is not None and gan is not None:
            real_logits, real_features = self._judged(high)
            fake_logits, fake_features = self._judged(output)
            if not first:
                figures["gan"] = generator_loss(gan.kind, fake_logits)
                if self._matched is not None:
                    figures["feature_matching"] = feature_matching(fake_features, real_features)
        if not first:
            weights = {name: loss.weight for name, loss in self._recipe.losses if name in figures}
            figures["total"] = torch.stack([weight * figures[name] for name, weight in weights.items()]).sum()
            self._backward(figures["total"] * share, self.generator, keep=self._discriminate is not None)
        if self.discriminator is not None and gan is not None:
            real, fake = discriminator_losses(gan.kind, real_logits, fake_logits)
            figures |= {"discriminator_real": real, "discriminator_fake": fake}
            self._backward((real + fake) * share, self.discriminator)
        return {name: value.detach() for name, value in figures.items()}

    def _judged(self, pictures: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The discriminator's logits, and the features that are matched, if any are."""
        assert self._discriminate is not None
        if self._matched is not None:
            self._matched.take()
        found = self._discriminate(pictures)
        logits = [found] if isinstance(found, Tensor) else list(found)
        return logits, [] if self._matched is None else self._matched.take()

    def _losses(self, low: Tensor, output: Tensor, high: Tensor, turns: Sequence[int]) -> dict[str, Tensor]:
        """The generator's losses by name, without the adversarial one."""
        losses, active = self._recipe.losses, self._recipe.losses.active
        found: dict[str, Tensor] = {}
        sharp = high
        if any(getattr(losses, name).sharpened for name in active & {"pixel", "perceptual"}):
            sharp = usm_sharpen(high)
        if "pixel" in active and losses.pixel is not None:
            pixel = l1 if losses.pixel.kind == "l1" else charbonnier
            found["pixel"] = pixel(output, sharp if losses.pixel.sharpened else high)
        if "perceptual" in active and losses.perceptual is not None:
            assert self._vgg is not None
            with self._fabric.autocast():
                features = self._vgg(output)
                with torch.no_grad():
                    wanted = self._vgg(sharp if losses.perceptual.sharpened else high)
            weights = {str(layer): weight for layer, weight in losses.perceptual.layers.items()}
            found["perceptual"] = perceptual(features, wanted, weights, relative=losses.perceptual.relative)
        if "ldl" in active:
            with torch.no_grad(), self._fabric.autocast():
                ema = Tail(self.ema, self._frozen) if self._frozen else self.ema
                ema_output = _turned(_centre(ema(low), high), turns)
            found["ldl"] = ldl(output, high, ema_output)
        if "focal_frequency" in active:
            found["focal_frequency"] = focal_frequency(output, high)
        if "ms_ssim" in active:
            found["ms_ssim"] = ms_ssim_loss(output, high)
        if "grid" in active:
            found["grid"] = grid(output, high)
        if "colour" in active:
            found["colour"] = colour_consistency(output, high)
        return found

    def _backward(self, loss: Tensor, network: nn.Module, *, keep: bool = False) -> None:
        """Accumulate gradients for one network alone: the graph of the outputs runs through both."""
        inputs = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._fabric.backward(loss, inputs=inputs, retain_graph=keep)

    def _update(self, figures: dict[str, Tensor], rates: Mapping[str, float]) -> Figures:
        # The generator has no gradients while the discriminator learns alone.
        updated = {name: network for name, network in self._trained.items() if _gradients(network)}
        norms = {}
        for name, network in updated.items():
            if self._scaler is not None:
                self._scaler.unscale_(self.optimizers[name])
            norms[name] = get_total_norm(_gradients(network))
        figures |= {f"gradient {name}": norm for name, norm in norms.items()}
        # The same in every process, so that all of them agree on what follows.
        values = self._fabric.all_reduce(torch.stack(list(figures.values())), reduce_op="mean")
        assert isinstance(values, Tensor)
        found = Figures(tuple(figures), values, may_overflow=self._scaler is not None)
        broken = ~values.isfinite().all()
        self.consistent = False
        for name, network in updated.items():
            optimizer = self.optimizers[name]
            if self._recipe.train.grad_clip is not None:
                clip_grads_with_norm_(network.parameters(), self._recipe.train.grad_clip, norms[name])
            for group in optimizer.param_groups:
                group["lr"] = rates[name]
            if self._scaler is None:
                # Fused optimizers skip the step where this is 1, as they do for a gradient scaler.
                optimizer.found_inf = broken.float()  # type: ignore[attr-defined]
                optimizer.step()
            else:
                self._scaler.step(optimizer)
        if self._scaler is not None:
            self._scaler.update()
        if self.ema is not self.generator and "generator" in updated:
            self._update_ema(torch.where(broken, 0.0, 1 - self._recipe.train.ema.decay))
        if self.discriminator is not None:
            norms_before = [buffer.clone() for buffer in self.discriminator.buffers()]
            estimate_norms(self.discriminator)
            for buffer, before in zip(self.discriminator.buffers(), norms_before, strict=True):
                buffer.copy_(torch.where(broken, before, buffer))
        self.consistent = True
        return found

    @torch.no_grad()
    def _update_ema(self, share: Tensor) -> None:
        """Move the EMA towards the weights by a share of the way, in a few fused operations."""
        averages: list[Tensor] = list(self.ema.parameters())
        weights: list[Tensor] = list(self.generator.parameters())
        steps = torch._foreach_sub(weights, averages)
        torch._foreach_mul_(steps, share)
        torch._foreach_add_(averages, steps)


class _Captured:
    """Keeps the outputs of a discriminator's halving and doubling layers, which feature matching compares."""

    def __init__(self, discriminator: UNetDiscriminator | UNetDiscriminatorSN | None) -> None:
        assert discriminator is not None
        self._features: list[Tensor] = []
        for name in discriminator.matched:
            discriminator.get_submodule(name).register_forward_hook(lambda layer, x, out: self._features.append(out))

    def take(self) -> list[Tensor]:
        """The features of the last pictures."""
        features, self._features = self._features, []
        return features


def _optimizer(network: nn.Module, recipe: TrainRecipe) -> Optimizer:
    train = recipe.train
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if train.weight_decay > 0:
        return AdamW(parameters, betas=train.betas, weight_decay=train.weight_decay, fused=True)
    return Adam(parameters, betas=train.betas, fused=True)


def _gradients(network: nn.Module) -> list[Tensor]:
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]


def _centre(output: Tensor, like: Tensor) -> Tensor:
    """Cut the halo of a window off."""
    halo = (output.shape[2] - like.shape[2]) // 2
    return output[:, :, halo : output.shape[2] - halo, halo : output.shape[3] - halo] if halo else output


def _turned(crops: Tensor, turns: Sequence[int]) -> Tensor:
    """Each square crop in one of its eight flips and rotations; without turns all crops as they are."""
    if not turns:
        return crops
    turned = []
    for crop, turn in zip(crops, turns, strict=True):
        flipped = crop.flip([axis for axis, bit in ((2, 1), (1, 2)) if turn & bit])
        turned.append(flipped.transpose(1, 2) if turn & 4 else flipped)
    return torch.stack(turned)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
