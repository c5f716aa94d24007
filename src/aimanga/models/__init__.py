"""Networks, their weights, and the list of those that are known by name."""

from aimanga.models.catalog import DEFAULT_MODEL, MODELS, LoadedModel, Model, load_model
from aimanga.models.checkpoint import save_checkpoint
from aimanga.models.compact import SRVGGNetCompact
from aimanga.models.convert import PRESETS, Variant, convert
from aimanga.models.discriminator import UNetDiscriminator
from aimanga.models.discriminator_sn import UNetDiscriminatorSN
from aimanga.models.rrdbnet import RRDBNet
from aimanga.models.vgg import VGG19Features, load_vgg19

__all__ = [
    "DEFAULT_MODEL",
    "MODELS",
    "PRESETS",
    "LoadedModel",
    "Model",
    "RRDBNet",
    "SRVGGNetCompact",
    "UNetDiscriminator",
    "UNetDiscriminatorSN",
    "VGG19Features",
    "Variant",
    "convert",
    "load_model",
    "load_vgg19",
    "save_checkpoint",
]
