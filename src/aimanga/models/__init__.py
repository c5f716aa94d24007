"""Networks, their weights, and the list of those that are known by name."""

from aimanga.models.catalog import DEFAULT_MODEL, MODELS, LoadedModel, Model, load_model
from aimanga.models.compact import SRVGGNetCompact
from aimanga.models.rrdbnet import RRDBNet

__all__ = ["DEFAULT_MODEL", "MODELS", "LoadedModel", "Model", "RRDBNet", "SRVGGNetCompact", "load_model"]
