"""What all losses do with what they are given: compute in float32 at least, and compare only equal shapes."""

import torch
from torch import Tensor


def widened(x: Tensor) -> Tensor:
    """Cast to float32 what is narrower; float32 and float64 stay as they are.

    Under autocast networks give bfloat16 or float16, in which a mean over a batch would keep two or three digits.

    Args:
        x: Any shape, any floating type.

    Returns:
        The same shape, float32 or float64.
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def matched(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Check that tensors have one shape, which arithmetic would not, and cast them by `widened`.

    Args:
        tensors: What is compared with each other, any floating types.

    Returns:
        As many tensors, float32 or float64.

    Raises:
        ValueError: The shapes differ.
    """
    shapes = [tuple(x.shape) for x in tensors]
    if len(set(shapes)) > 1:
        raise ValueError(f"a loss compares tensors of one shape, not of {' and '.join(map(str, shapes))}")
    return tuple(widened(x) for x in tensors)
