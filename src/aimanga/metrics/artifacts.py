"""Artifacts of a network: a grid and noise in flat areas, and colour drift; each against the network's own input.

None of them needs ground truth. The grid and the noise are read from the power spectra of blocks of the output where
the *input* is flat, so that the choice of the blocks does not depend on the network. The power is that of a Hann
window, averaged over overlapping blocks, in squared levels of 8 bits: white noise of deviation s has s^2 at every
frequency.

Sources: P. D. Welch, "The use of fast Fourier transform for the estimation of power spectra", IEEE Trans. Audio and
Electroacoustics 15(2), 1967; A. Odena, V. Dumoulin, C. Olah, "Deconvolution and Checkerboard Artifacts", Distill 2016,
doi:10.23915/distill.00003 (what the grid is and where it comes from). The measures themselves are this project's.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from aimanga.errors import PictureError
from aimanga.tensors import grid_frequencies, hann_power, resize

BLOCK = 32
"""Side of a block of the output in pixels."""

LIMITS: Mapping[str, float] = {"grid": 2.0, "noise": 4.0, "colour_drift": 8.0}
"""The artifacts by name, each with a limit, at three quarters of which the worst pictures of good networks are."""

# A sample of the flat blocks is enough, and costs a few milliseconds.
_MOST_BLOCKS = 64
# Deviation of the input from a plane, in levels: a clean sky has 0.5 to 2, skin and painted walls 2 to 4.
_FLATTEST = 4.0
# A block this close to black or white is clipped: noise and grids of the output are cut off there.
_CLIPPED = 8.0
# A power of 1 level is seen by nobody: ratios of less than this mean nothing, and most of it is rounding.
_UNSEEN = 1.0
# The window spreads a frequency over its next neighbours; those at a distance of 2 and 3 are free of it.
_RING = tuple(zip(*[(y, x) for y in range(-3, 4) for x in range(-3, 4) if max(abs(y), abs(x)) > 1], strict=True))
# What an input of a quarter of the size cannot hold is above 1/8 cycle a pixel; a half more is free of the window.
_LOWEST_OF_NOISE = 3 * BLOCK // 16


@dataclass(frozen=True)
class Artifacts:
    """The artifacts of one output.

    Attributes:
        grid_2x2: Power at the frequencies of a 2 x 2 grid, of half a cycle a pixel along one axis or both, over that
            at their neighbours; about 1 without a grid. None if no block of the input is flat.
        grid_4x4: Likewise of a 4 x 4 grid, a quarter of a cycle a pixel along one axis or both.
        noise: Deviation of the output in flat blocks at frequencies above 3/16 cycle a pixel, as that of white
            noise, without what the enlarged input has there; in levels of 8 bits, at least 0. None likewise.
        colour_drift: Distance of the mean colour of the output from that of its input, of the channel that drifts
            most; in levels of 8 bits, at least 0.
        flat: The number of flat blocks.
    """

    grid_2x2: float | None
    grid_4x4: float | None
    noise: float | None
    colour_drift: float
    flat: int

    @property
    def values(self) -> dict[str, float]:
        """Those of `LIMITS` that could be measured; `grid` is the larger one of both. Lower is better."""
        values = {"colour_drift": self.colour_drift}
        if self.grid_2x2 is not None and self.grid_4x4 is not None and self.noise is not None:
            values |= {"grid": max(self.grid_2x2, self.grid_4x4), "noise": self.noise}
        return {name: values[name] for name in LIMITS if name in values}


def find_artifacts(low: npt.NDArray[np.uint8], output: npt.NDArray[np.uint8]) -> Artifacts:
    """Measure the artifacts of an output against the picture that it was made of.

    Args:
        low: The input of the network, h x w x 3.
        output: Its output, (h scale) x (w scale) x 3.

    Raises:
        PictureError: The scale is none of 1, 2, 4 and 8.
    """
    levels = (torch.from_numpy(pixels).permute(2, 0, 1).float() for pixels in (low, output))
    return artifacts(*levels)


def artifacts(low: Tensor, output: Tensor) -> Artifacts:
    """Measure the artifacts of an output against the picture that it was made of.

    Up to 64 of the blocks that `flat_blocks` finds are looked at. A plane is subtracted from each of their channels,
    since a gradient is no artifact. The spectra of all blocks and channels are summed with weights that give the same
    power above 3/16 cycle a pixel to each of them, so that the grid of a quiet block is not lost in the texture of
    others. The grid is the mean over its frequencies of the ratio

        (P + 1) / (N + E + 1)

    with the power P there, its mean N over the frequencies at a distance of 2 and 3 (of 32 cycles a block), and the
    excess E of the enlarged input's power over that at its neighbours: what the input has already does not count. 1 is
    the power of what nobody sees: a grid of 2, the limit, deviates by 0.1 level in a smooth block.

    The noise is the root of the median over the blocks of the difference of both powers, averaged above 3/16 cycle.

    Args:
        low: 3 x h x w, range [0, 255], float32 or float64.
        output: 3 x (h scale) x (w scale), likewise.

    Raises:
        PictureError: The scale is none of 1, 2, 4 and 8.
    """
    scale = _scale_of(low, output)
    drift = float((output.mean((1, 2)) - low.mean((1, 2))).abs().max())
    places = flat_blocks(low, scale).nonzero()
    if not len(places):
        return Artifacts(None, None, None, drift, 0)
    rows, columns = places[:: -(-len(places) // _MOST_BLOCKS)].unbind(1)
    small, made = (_blocks(x, side)[:, rows, columns] for x, side in ((low, BLOCK // scale), (output, BLOCK)))
    # Rounded as the output is: rounding a gradient makes a pattern. Mirrored borders vanish in the window.
    made, given = _power(made), _power(resize(small, BLOCK, BLOCK).round())
    lines = torch.fft.fftfreq(BLOCK, 1 / BLOCK, device=output.device).abs()
    high = (torch.maximum(lines[:, None], lines) >= _LOWEST_OF_NOISE).to(made).flatten()
    fine, given_fine = (spectra.flatten(2) @ (high / high.sum()) for spectra in (made, given))
    noise = float((fine - given_fine).mean(0).median().clamp(min=0).sqrt())
    weights = 1 / (fine[..., None, None] + _UNSEEN)
    spectra = (weights * (made + _UNSEEN)).sum((0, 1)), (weights * given).sum((0, 1))
    two, four = (math.fsum(_ratio(*spectra, at) for at in grid) / len(grid) for grid in grid_frequencies(BLOCK))
    return Artifacts(two, four, noise, drift, len(places))


def flat_blocks(low: Tensor, scale: int) -> Tensor:
    """Find the blocks of an input that are flat, of 32 x 32 pixels of the output.

    Flat are those whose channels deviate from a plane by at most 4 levels each (root of the mean square), with mean
    colours of 8 levels or more from black and white.

    Args:
        low: 3 x h x w, range [0, 255].
        scale: 1, 2, 4 or 8.

    Returns:
        Rows x columns of blocks, bool, one every 16 pixels of the output; none if a side is shorter than a block.
    """
    blocks = _blocks(low, BLOCK // scale)
    mean = blocks.mean((3, 4))
    inside = ((mean >= _CLIPPED) & (mean <= 255 - _CLIPPED)).all(0)
    return inside & (_without_plane(blocks).square().mean((3, 4)).amax(0) <= _FLATTEST**2)


def _scale_of(low: Tensor, output: Tensor) -> int:
    (height, width), (high, wide) = low.shape[1:], output.shape[1:]
    scale = high // height
    if (high, wide) != (height * scale, width * scale) or scale not in (1, 2, 4, 8):
        raise PictureError(f"the output has {wide} x {high} pixels, which is no x1, x2, x4 or x8 of {width} x {height}")
    return scale


def _blocks(x: Tensor, side: int) -> Tensor:
    """All blocks of a side, at steps of half of it: channels x rows x columns x side x side."""
    if min(x.shape[1:]) < side:
        return x.new_empty(x.shape[0], 0, 0, side, side)
    return x.unfold(1, side, side // 2).unfold(2, side, side // 2)


def _without_plane(blocks: Tensor) -> Tensor:
    """Subtract from each block, ... x side x side, the plane that is nearest to it by least squares."""
    side = blocks.shape[-1]
    ramp = torch.arange(side, dtype=blocks.dtype, device=blocks.device) - (side - 1) / 2
    # On a square, a constant and both ramps are orthogonal.
    blocks = blocks - blocks.mean((-2, -1), keepdim=True)
    ramps = ramp / (side * ramp.square().sum())
    down = blocks.sum(-1) @ ramps
    across = blocks.sum(-2) @ ramps
    return blocks - down[..., None, None] * ramp[:, None] - across[..., None, None] * ramp


def _power(blocks: Tensor) -> Tensor:
    """The power spectra of blocks, ... x 32 x 32, without their planes."""
    return hann_power(_without_plane(blocks))


def _ratio(made: Tensor, given: Tensor, at: tuple[int, int]) -> float:
    """The power of the output at a frequency, over that at its neighbours and the excess of the input."""
    rows, columns = ([(middle + step) % BLOCK for step in steps] for middle, steps in zip(at, _RING, strict=True))
    excess = (given[at] - given[rows, columns].mean()).clamp(min=0)
    return float(made[at] / (made[rows, columns].mean() + excess))
