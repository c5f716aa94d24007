"""Compile the dense blocks of a generator: one compilation serves all of them, since the weights are arguments."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aimanga.models.rrdbnet import RESIDUAL_SCALE, ResidualDenseBlock

# Compiled and eager kernels round differently: in bfloat16 by about 1 % of the largest value of a picture.
_TOLERANCE = 0.03


def dense_block(x: Tensor, *parameters: Tensor) -> Tensor:
    """The function of `ResidualDenseBlock`, in the type of autocast or of the weights.

    Args:
        x: N x features x H x W.
        parameters: Weight and bias of each of the five convolutions.
    """
    weights, biases = parameters[::2], parameters[1::2]
    dense = x
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        dense = torch.cat((dense, F.leaky_relu(F.conv2d(dense, weight, bias, padding=1), 0.2).to(x.dtype)), 1)
    return torch.add(x, F.conv2d(dense, weights[-1], biases[-1], padding=1), alpha=RESIDUAL_SCALE)


class CompiledBlocks:
    """The dense blocks of a network, which run compiled from now on.

    Compiling each block, or the network, would compile 69 times the same. On a GPU half of an eager iteration is
    launches and elementwise work, which compiled kernels fuse.

    Args:
        network: The generator; copies that were made before stay as they are.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._blocks = [block for block in network.modules() if isinstance(block, ResidualDenseBlock)]
        # The graph of the outputs runs through two backward passes: nothing may be overwritten in the first one.
        torch._functorch.config.donated_buffer = False
        self._function = torch.compile(dense_block, dynamic=False)
        self._enable()

    def check(self, x: Tensor, backward: Callable[[Tensor], object]) -> str | None:
        """Compare with eager execution, forward and backward; where that fails, the blocks run eagerly again.

        Args:
            x: A batch of the shape of those to come, for the network.
            backward: Computes the gradients of a loss.

        Returns:
            Why they run eagerly; None if they run compiled.
        """
        try:
            found = self._network(x)
            backward(found.float().square().mean())
        except Exception as error:  # compilers fail in all kinds of ways
            self._disable()
            return f"torch.compile failed ({' '.join(str(error).split())[:200]}): the blocks are not compiled"
        finally:
            self._network.zero_grad(set_to_none=True)
        self._disable()
        with torch.no_grad():
            expected = self._network(x)
        self._enable()
        difference = float((found.detach() - expected).abs().max() / expected.abs().max().clamp_min(1e-6))
        if difference <= _TOLERANCE:
            return None
        self._disable()
        return f"compiled blocks differ from eager ones by {difference:.1%} of the largest value: they are not compiled"

    def _enable(self) -> None:
        for block in self._blocks:
            block.forward = partial(self._run, block)  # type: ignore[method-assign]

    def _disable(self) -> None:
        for block in self._blocks:
            del block.forward

    def _run(self, block: ResidualDenseBlock, x: Tensor) -> Tensor:
        found: Tensor = self._function(x, *block.parameters())
        return found
