"""The steerable pyramid: bands of one octave and one orientation each, computed in the frequency domain.

The spectrum is divided into octaves by raised cosines of the log-frequency, and each octave into orientations by powers
of the cosine of the angle. The squares of all responses sum to one, so the same filters reconstruct the picture.
Boundaries are circular.

Sources: E. Simoncelli and W. Freeman, "The steerable pyramid: a flexible architecture for multi-scale derivative
computation", ICIP 1995, doi:10.1109/ICIP.1995.537667; the responses are interpolated linearly from tables, as in
Simoncelli's matlabPyrTools (`buildSFpyr`), so the bands agree with its bands to rounding.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

_RADIAL_STEPS = 256
"""Steps of the radial tables over their octave."""

_ANGULAR_STEPS = 1024
"""Steps of the angular table over half a turn."""

_CHUNK = 1 << 17
"""Frequencies of a chunk: the temporaries stay in the cache."""


class SteerablePyramid:
    """The residuals and oriented bands of a picture.

    Half of a band's spectrum is enough: the responses are zero at the Nyquist frequencies, the only ones without a
    conjugate partner.

    Args:
        picture: H x W, float64; each side at least 2^(scales + 2).
        scales: Number of octaves; each has half the size of the previous one, rounded up.
        orientations: Number of bands of an octave; their angles are multiples of pi / orientations.

    Attributes:
        highpass: H x W: the high-pass residual.
        lowpass: H / 2^scales x W / 2^scales, rounded up at each halving: the low-pass residual. As in all bands, values
            grow by 4 at each halving, since the transforms are not rescaled.

    Raises:
        ValueError: The picture is too small.
    """

    highpass: Tensor
    lowpass: Tensor

    def __init__(self, picture: Tensor, scales: int, orientations: int) -> None:
        height, width = picture.shape
        if min(height, width) < 2 ** (scales + 2):
            raise ValueError(f"{scales} scales need {2 ** (scales + 2)} pixels a side, not {width} x {height}")
        self.orientations = orientations
        self._nyquist = height / 2, width / 2
        self._octaves: list[tuple[tuple[int, int], Tensor]] = []
        low, high = _radial_tables()
        spectrum = torch.fft.rfft2(picture)
        highest = self._multiplied(spectrum, (height, width), self._radial(high, 0), torch.empty_like(spectrum))
        self.highpass = torch.fft.irfft2(highest, s=(height, width))
        del highest
        self._multiplied(spectrum, (height, width), self._radial(low, 0), spectrum)
        for scale in range(1, scales + 1):
            half = (height + 1) // 2, (width + 1) // 2
            lower = _lowest(spectrum, *half)
            self._multiplied(spectrum, (height, width), self._radial(high, scale), spectrum)
            self._octaves.append(((height, width), spectrum.mul_((-1j) ** (orientations - 1))))
            self._multiplied(lower, half, self._radial(low, scale), lower)
            spectrum, (height, width) = lower, half
        self.lowpass = torch.fft.irfft2(spectrum, s=(height, width))

    def band(self, scale: int, number: int) -> Tensor:
        """Compute one band.

        Args:
            scale: The octave; 0 is the finest.
            number: The orientation: 0 for horizontal gradients, the others follow clockwise.

        Returns:
            H / 2^scale x W / 2^scale, rounded up at each halving.
        """
        size, spectrum = self._octaves[scale]
        product = self._multiplied(spectrum, size, self._angular(number), torch.empty_like(spectrum))
        band: Tensor = torch.fft.irfft2(product, s=size)
        return band

    def _radial(self, table: Tensor, octave: int) -> Callable[[Tensor, Tensor], Tensor]:
        """The response of a radial table that ends `octave` octaves below the highest frequency."""
        # The table has one more entry at each end, which extends it; log2(0) = -inf is clamped to the first one.
        first = -1 - 1 / _RADIAL_STEPS - octave
        return lambda down, right: _looked_up(torch.hypot(down, right).log2_(), table, first, 1 / _RADIAL_STEPS)

    def _angular(self, number: int) -> Callable[[Tensor, Tensor], Tensor]:
        """The response of a band to the direction of a frequency."""
        step = math.pi / _ANGULAR_STEPS
        first = -2 * math.pi - step + math.pi * number / self.orientations
        table = _angular_table(self.orientations)
        return lambda down, right: _looked_up(torch.atan2(down, right), table, first, step)

    def _multiplied(
        self, spectrum: Tensor, size: tuple[int, int], response: Callable[[Tensor, Tensor], Tensor], out: Tensor
    ) -> Tensor:
        """Multiply the half spectrum of a band of this size by a response, a function of the frequency, into `out`."""
        height, width = size
        down = torch.fft.fftfreq(height, 1 / height, dtype=torch.float64).div_(self._nyquist[0])[:, None]
        right = torch.fft.rfftfreq(width, 1 / width, dtype=torch.float64).div_(self._nyquist[1])[None]
        rows = max(1, _CHUNK // right.shape[1])
        for top in range(0, height, rows):
            chunk = slice(top, top + rows)
            torch.mul(spectrum[chunk], response(down[chunk], right), out=out[chunk])
        return out


def _lowest(spectrum: Tensor, height: int, width: int) -> Tensor:
    """The low frequencies of a half spectrum: those of a picture of a smaller size."""
    columns = width // 2 + 1
    return torch.cat([spectrum[: (height + 1) // 2, :columns], spectrum[-(height // 2) :, :columns]])


def _looked_up(values: Tensor, table: Tensor, first: float, step: float) -> Tensor:
    """Interpolate a function linearly from its samples at `first`, `first + step` and so on."""
    place = values.sub_(first).div_(step).clamp_(0, len(table) - 1)
    index = place.to(torch.int64).clamp_(max=len(table) - 2)
    return torch.lerp(table[index], table[index + 1], place.sub_(index))


def _radial_tables() -> tuple[Tensor, Tensor]:
    """Low-pass and high-pass response over one octave: the two are cosine and sine of the same quarter turn."""
    quarter = torch.arange(-_RADIAL_STEPS - 1, 2, dtype=torch.float64) * (math.pi / 2 / _RADIAL_STEPS)
    high = quarter.cos().square_()
    high[0], high[-1] = high[1], high[-2]
    return (1 - high).sqrt_(), high.sqrt()


def _angular_table(orientations: int) -> Tensor:
    """Response to angles from -2 pi to pi, with one more entry at each end."""
    order = orientations - 1
    # The squares of all orientations sum to one.
    scale = 2**order * math.factorial(order) / math.sqrt(orientations * math.factorial(2 * order))
    steps = torch.arange(-2 * _ANGULAR_STEPS - 1, _ANGULAR_STEPS + 2, dtype=torch.float64)
    return (steps * (math.pi / _ANGULAR_STEPS)).cos().pow(order).mul(scale)
