"""One training iteration: forward and backward passes, optimizers, EMA."""

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.swa_utils import get_ema_multi_avg_fn

from aimanga.degrade.blur import usm_sharpen
from aimanga.errors import DivergedError
from aimanga.losses import (
    charbonnier,
    colour_consistency,
    discriminator_losses,
    focal_frequency,
    generator_loss,
    l1,
    ldl,
    ms_ssim_loss,
    perceptual,
)
from aimanga.models.networks import Generator
from aimanga.train.networks import Networks, estimate_norms
from aimanga.train.recipe import TrainRecipe

L1 = "l1"
"""The L1 loss against the HR crops, in the range [0, 1], which is measured whatever the losses of a recipe."""


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
        consistent: True between iterations. `state()` is only consistent then.
    """

    def __init__(
        self, networks: Networks, recipe: TrainRecipe, fabric: Fabric, scaler: GradScaler | None = None
    ) -> None:
        self._recipe, self._fabric, self._scaler = recipe, fabric, scaler
        self.generator = networks.generator
        self.discriminator = networks.discriminator
        self.ema: Generator = self.generator
        memory = torch.channels_last if recipe.compute.channels_last else torch.contiguous_format
        self._memory = memory
        self._generate = self._set_up(self.generator)
        if recipe.train.ema.decay > 0:
            self.ema = copy.deepcopy(self.generator).requires_grad_(False).eval()
        self._update_ema = get_ema_multi_avg_fn(recipe.train.ema.decay)  # type: ignore[no-untyped-call]
        self.optimizers: dict[str, Optimizer] = {"generator": _optimizer(self.generator, recipe)}
        self._discriminate: nn.Module | None = None
        if self.discriminator is not None:
            # In evaluation mode a forward pass leaves the estimated norms alone: see `networks.estimate_norms`.
            self._discriminate = self._set_up(self.discriminator.eval())
            self.optimizers["discriminator"] = _optimizer(self.discriminator, recipe)
        self._vgg = networks.vgg
        if self._vgg is not None:
            # Its weights are never updated: cast once, instead of in each iteration.
            kind = fabric.device.type
            with fabric.autocast():
                dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
            self._vgg.to(fabric.device)
            self._vgg.features.to(dtype)
            self._vgg.to(memory_format=memory)  # type: ignore[call-overload]
        self.consistent = True

    def step(self, low: Tensor, high: Tensor, rates: Mapping[str, float]) -> dict[str, float]:
        """Do one iteration.

        Args:
            low: LR crops, N x 3 x h x w, float32, range [0, 1], on the device: this process's share of the batch.
            high: HR crops, N x 3 x (h scale) x (w scale), likewise.
            rates: Learning rates by the name of the network.

        Returns:
            The mean over all processes of each loss (unweighted; `total` is weighted) and of `L1`, and the gradient
            norms as `gradient generator` and `gradient discriminator`.

        Raises:
            DivergedError: A loss or a gradient is not finite; nothing was updated.
        """
        parts = self._recipe.train.accumulate
        figures: dict[str, Tensor] = {}
        try:
            for part, (x, target) in enumerate(zip(low.chunk(parts), high.chunk(parts), strict=True), 1):
                with ExitStack() as stack:
                    for network in filter(None, (self._generate, self._discriminate)):
                        # Processes average their gradients once, with the last part.
                        stack.enter_context(self._fabric.no_backward_sync(network, enabled=part < parts))  # type: ignore[arg-type]
                    for name, value in self._accumulate(x, target, 1 / parts).items():
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
        prepared = torch.compile(network) if self._recipe.compute.compile else network
        return self._fabric.setup_module(prepared)  # type: ignore[arg-type]

    def _stored(self) -> dict[str, nn.Module]:
        networks: dict[str, nn.Module] = {"generator": self.generator}
        if self.ema is not self.generator:
            networks["ema"] = self.ema
        if self.discriminator is not None:
            networks["discriminator"] = self.discriminator
        return networks

    def _accumulate(self, low: Tensor, high: Tensor, share: float) -> dict[str, Tensor]:
        """Accumulate the gradients of a part of the batch; return its losses."""
        low, high = (x.contiguous(memory_format=self._memory) for x in (low, high))
        output = self._generate(low)
        figures = {L1: l1(output.detach(), high)}
        figures |= self._losses(low, output, high)
        real_logits: Sequence[Tensor] = ()
        fake_logits: Sequence[Tensor] = ()
        gan = self._recipe.losses.gan
        if self._discriminate is not None and gan is not None:
            real_logits, fake_logits = (_as_list(self._discriminate(x)) for x in (high, output))
            figures["gan"] = generator_loss(gan.kind, fake_logits)
        weights = {name: loss.weight for name, loss in self._recipe.losses if name in figures}
        total = torch.stack([weight * figures[name] for name, weight in weights.items()]).sum()
        figures["total"] = total
        self._backward(total * share, self.generator, keep=self._discriminate is not None)
        if self.discriminator is not None and gan is not None:
            real, fake = discriminator_losses(gan.kind, real_logits, fake_logits)
            figures |= {"discriminator_real": real, "discriminator_fake": fake}
            self._backward((real + fake) * share, self.discriminator)
        return {name: value.detach() for name, value in figures.items()}

    def _losses(self, low: Tensor, output: Tensor, high: Tensor) -> dict[str, Tensor]:
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
            found["perceptual"] = perceptual(features, wanted, weights)
        if "ldl" in active:
            with torch.no_grad(), self._fabric.autocast():
                ema_output = self.ema(low)
            found["ldl"] = ldl(output, high, ema_output)
        if "focal_frequency" in active:
            found["focal_frequency"] = focal_frequency(output, high)
        if "ms_ssim" in active:
            found["ms_ssim"] = ms_ssim_loss(output, high)
        if "colour" in active:
            found["colour"] = colour_consistency(output, high)
        return found

    def _backward(self, loss: Tensor, network: nn.Module, *, keep: bool = False) -> None:
        """Accumulate gradients for one network alone: the graph of the outputs runs through both."""
        self._fabric.backward(loss, inputs=list(network.parameters()), retain_graph=keep)

    def _update(self, figures: dict[str, Tensor], rates: Mapping[str, float]) -> dict[str, float]:
        networks = {"generator": self.generator, "discriminator": self.discriminator}
        norms: dict[str, Tensor] = {}
        for name, optimizer in self.optimizers.items():
            network = networks[name]
            assert network is not None
            if self._scaler is not None:
                self._scaler.unscale_(optimizer)
            gradients = [p.grad for p in network.parameters() if p.grad is not None]
            norms[name] = get_total_norm(gradients)
        figures |= {f"gradient {name}": norm for name, norm in norms.items()}
        # The same in every process, so that all of them agree on what follows.
        values = self._fabric.all_reduce(torch.stack(list(figures.values())), reduce_op="mean")
        numbers = dict(zip(figures, values.tolist(), strict=True))  # type: ignore[union-attr]
        # The scaler finds its scale by infinite gradients, and skips their update.
        checked = [name for name in numbers if self._scaler is None or not name.startswith("gradient")]
        broken = [name for name in checked if not math.isfinite(numbers[name])]
        if broken:
            raise DivergedError(f"not finite: {', '.join(broken)}")
        self.consistent = False
        for name, optimizer in self.optimizers.items():
            network = networks[name]
            assert network is not None
            if self._recipe.train.grad_clip is not None:
                clip_grads_with_norm_(network.parameters(), self._recipe.train.grad_clip, norms[name])
            for group in optimizer.param_groups:
                group["lr"] = rates[name]
            if self._scaler is None:
                optimizer.step()
            else:
                self._scaler.step(optimizer)
        if self._scaler is not None:
            self._scaler.update()
        if self.ema is not self.generator:
            self._update_ema(list(self.ema.parameters()), list(self.generator.parameters()), 0)
        if self.discriminator is not None:
            estimate_norms(self.discriminator)
        self.consistent = True
        return numbers


def _optimizer(network: nn.Module, recipe: TrainRecipe) -> Optimizer:
    train = recipe.train
    if train.weight_decay > 0:
        return AdamW(network.parameters(), betas=train.betas, weight_decay=train.weight_decay, fused=True)
    return Adam(network.parameters(), betas=train.betas, fused=True)


def _as_list(logits: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [logits] if isinstance(logits, Tensor) else list(logits)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
