"""The networks that there are: one visible list."""

from collections.abc import Callable

from torch import nn

from aimanga.models.compact import SRVGGNetCompact
from aimanga.models.discriminator import UNetDiscriminator
from aimanga.models.discriminator_sn import UNetDiscriminatorSN
from aimanga.models.rrdbnet import RRDBNet

Generator = RRDBNet | SRVGGNetCompact
"""The networks that make pictures."""

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "RRDBNet": RRDBNet,
    "SRVGGNetCompact": SRVGGNetCompact,
    "UNetDiscriminator": UNetDiscriminator,
    "UNetDiscriminatorSN": UNetDiscriminatorSN,
}
"""The networks that a checkpoint can hold, by the name under which it says so."""
