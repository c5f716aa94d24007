from .options import SweepOptions as SweepOptions
from .run import sweep as sweep
