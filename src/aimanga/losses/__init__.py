"""Losses, one a file: pure functions from a batch to a scalar."""

from aimanga.losses.colour import colour_consistency
from aimanga.losses.feature_matching import feature_matching
from aimanga.losses.focal_frequency import focal_frequency
from aimanga.losses.gan import GanLoss, discriminator_losses, generator_loss
from aimanga.losses.grid import grid
from aimanga.losses.ldl import ldl
from aimanga.losses.ms_ssim import ms_ssim_loss
from aimanga.losses.perceptual import perceptual
from aimanga.losses.pixel import charbonnier, l1

__all__ = [
    "GanLoss",
    "charbonnier",
    "colour_consistency",
    "discriminator_losses",
    "feature_matching",
    "focal_frequency",
    "generator_loss",
    "grid",
    "l1",
    "ldl",
    "ms_ssim_loss",
    "perceptual",
]
