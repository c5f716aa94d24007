"""What all losses do with their arguments: cast to float32 at least, and refuse different shapes."""

import torch
from torch import Tensor


def widened(x: Tensor) -> Tensor:
    """Cast narrower types to float32; float32 and float64 are returned as they are.

    Under autocast the outputs of a network are bfloat16 or float16: a mean over a batch would keep two or three digits.

    Args:
        x: Any shape, any floating type.

    Returns:
        The same shape, float32 or float64.
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def matched(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Refuse tensors of different shapes, which arithmetic would broadcast, and cast them by `widened`.

    Args:
        tensors: The tensors to compare, of any floating type.

    Returns:
        As many tensors, float32 or float64.

    Raises:
        ValueError: The shapes differ.
    """
    shapes = [tuple(x.shape) for x in tensors]
    if len(set(shapes)) > 1:
        raise ValueError(f"a loss compares tensors of one shape, not of {' and '.join(map(str, shapes))}")
    return tuple(widened(x) for x in tensors)


def relative_l1(x: Tensor, target: Tensor) -> Tensor:
    """The L1 distance, divided by the mean absolute value of the target, in the mean over the batch: 0-dim."""
    axes = tuple(range(1, x.ndim))
    return ((x - target).abs().mean(axes) / target.abs().mean(axes).clamp_min(1e-6)).mean()
