"""The networks: one visible list."""

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
