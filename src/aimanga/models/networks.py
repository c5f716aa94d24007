"""The networks: one visible list."""

from torch import Tensor, nn

from aimanga.models import compact, discriminator, discriminator_sn, rrdbnet
from aimanga.models.compact import SRVGGNetCompact
from aimanga.models.rrdbnet import RRDBNet

Generator = RRDBNet | SRVGGNetCompact
"""The networks that generate pictures."""

NETWORKS = {
    "RRDBNet": rrdbnet.ARCHITECTURE,
    "SRVGGNetCompact": compact.ARCHITECTURE,
    "UNetDiscriminator": discriminator.ARCHITECTURE,
    "UNetDiscriminatorSN": discriminator_sn.ARCHITECTURE,
}
"""The networks that a checkpoint can hold, by the name that it stores."""


class Tail(nn.Module):
    """What follows the first blocks of a generator.

    Args:
        network: The generator; it is shared, not copied.
        blocks: The number of blocks that are left out, with all before them.
    """

    def __init__(self, network: Generator, blocks: int) -> None:
        super().__init__()
        self.network, self.blocks = network, blocks

    def forward(self, features: Tensor) -> Tensor:
        """The output for what the network's `begin` returned."""
        return self.network.finish(features, self.blocks)
