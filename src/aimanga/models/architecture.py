"""What a network has to say about itself so that its weights are recognised in a file."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

State = Mapping[str, Tensor]
"""A state dict: name to tensor."""


@dataclass(frozen=True)
class Architecture:
    """A network and how to recognise it; each network defines its own beside its class.

    Attributes:
        network: The class. Its instances keep their keyword arguments as `options`.
        landmark: A tensor that no other architecture has, under its current name.
        options: Infers the arguments of `network` from the shapes of the tensors. On tensors that do not fit together
            it raises KeyError, IndexError, TypeError, ValueError or ZeroDivisionError.
        current_names: Translates the names of older releases and of ncnn files; returns other state dicts unchanged.
    """

    network: Callable[..., nn.Module]
    landmark: str
    options: Callable[[State], dict[str, int | str]]
    current_names: Callable[[State], State] = lambda state: state


def count_layers(state: State, pattern: str) -> int:
    """One more than the largest number that `pattern` captures at the beginning of a name; 0 if it never matches.

    Raises:
        ValueError: That is more than there are tensors, so the number cannot be right.
    """
    found = (re.match(pattern, name) for name in state)
    count = max((int(match[1]) + 1 for match in found if match), default=0)
    if count > len(state):
        raise ValueError(f"{count} layers in {len(state)} tensors")
    return count
