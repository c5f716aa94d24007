"""JPEG compression in tensors: on any device, with a gradient.

Colour conversion, chroma subsampling, the DCT of 8 x 8 blocks, quantization, and back, without entropy coding.

Sources: ITU-T T.81 | ISO/IEC 10918-1 (the transform; annex K: the tables), ITU-T T.871 (JFIF: the colours); the
Independent JPEG Group's library for what the standard leaves open, as its documentation says: the scaling of the tables
by the quality, and the triangular upsampling of chroma.
"""

import math
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

Subsampling = Literal["4:2:0", "4:4:4"]

_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61,
    12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77,
    24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    *(99,) * 32,
)  # fmt: skip

_TO_YCC = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))


def jpeg(x: Tensor, quality: Tensor | float, subsampling: Subsampling = "4:2:0") -> Tensor:
    """Compress and decompress a batch.

    The gradient passes straight through roundings.

    Args:
        x: N x 3 x H x W, range [0, 1], RGB; it is clipped and rounded to 8 bits first.
        quality: 1 to 100, for all or N of them.
        subsampling: Whether chroma has half the resolution.

    Returns:
        N x 3 x H x W, multiples of 1/255 in [0, 1].
    """
    height, width = x.shape[2:]
    planes = [
        (_round(_inverse_dct(coefficients * table[:, None, None])) + 128).clamp(0, 255)
        for coefficients, table in zip(
            quantized(x, quality, subsampling), quantization_tables(quality, x.device), strict=True
        )
    ]
    y, cb, cr = (_from_blocks(plane) for plane in planes)
    if subsampling == "4:2:0":
        # The codec stores no chroma beyond the picture's border.
        rows, columns = -(-height // 2), -(-width // 2)
        cb, cr = (_round(_upsampled(colour[:, :rows, :columns])) for colour in (cb, cr))
    ycc = torch.stack([plane[:, :height, :width] for plane in (y, cb, cr)], 1)
    ycc = ycc - x.new_tensor([0.0, 128.0, 128.0]).view(1, 3, 1, 1)
    rgb = torch.einsum("oc,nchw->nohw", x.new_tensor(_TO_RGB), ycc)
    return _round(rgb).clamp(0, 255) / 255


def quantized(x: Tensor, quality: Tensor | float, subsampling: Subsampling = "4:2:0") -> tuple[Tensor, Tensor, Tensor]:
    """The quantized coefficients that a JPEG file holds, of Y, Cb and Cr.

    Args:
        x: As for `jpeg`, like all that follow.
        quality: 1 to 100.
        subsampling: Whether chroma has half the resolution.

    Returns:
        Three times N x rows of blocks x columns of blocks x 8 x 8, whole numbers as float32. The padding of the last
        units is left out.

    Raises:
        ValueError: There is no such subsampling.
    """
    if subsampling not in get_args(Subsampling):
        raise ValueError(f"{subsampling}: colour is kept as {' or '.join(get_args(Subsampling))}")
    rgb = _round(x.clamp(0, 1) * 255)
    offset = x.new_tensor([0.0, 128.0, 128.0]).view(1, 3, 1, 1)
    ycc = _round(torch.einsum("oc,nchw->nohw", x.new_tensor(_TO_YCC), rgb) + offset)
    y, colours = ycc[:, :1], ycc[:, 1:]
    if subsampling == "4:2:0":
        # The codec repeats the last column before it halves, so as to fill a block, but the last row only after it.
        height, width = x.shape[2:]
        colours = _halved(F.pad(colours, (0, -width % 16, 0, height % 2), mode="replicate"))
    planes = (_filled(y)[:, 0], *_filled(colours).unbind(1))
    y, cb, cr = (
        _round(_dct(_to_blocks(plane - 128)) / table[:, None, None])
        for plane, table in zip(planes, quantization_tables(quality, x.device), strict=True)
    )
    return y, cb, cr


def quantization_tables(quality: Tensor | float, device: torch.device | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """The tables for Y, Cb and Cr, as the Independent JPEG Group scales those of the standard.

    Args:
        quality: 1 to 100: one, or N.
        device: Where.

    Returns:
        Three times N x 8 x 8 (N = 1 for one quality), whole numbers from 1 to 255, float32.
    """
    quality = torch.as_tensor(quality, dtype=torch.float32, device=device).reshape(-1, 1, 1)
    percent = torch.where(quality < 50, torch.floor(5000 / quality), 200 - 2 * quality)
    luminance, chrominance = (
        torch.floor((torch.tensor(table, dtype=torch.float32, device=device).view(1, 8, 8) * percent + 50) / 100)
        for table in (_LUMINANCE, _CHROMINANCE)
    )
    chrominance = chrominance.clamp(1, 255)
    return luminance.clamp(1, 255), chrominance, chrominance


def _round(x: Tensor) -> Tensor:
    """To the nearest whole number, a half away from zero; with the gradient of the identity."""
    rounded = torch.sign(x) * torch.floor(x.abs() + 0.5)
    return x + (rounded - x).detach()


def _filled(planes: Tensor) -> Tensor:
    """Whole blocks: the last row and column repeated."""
    return F.pad(planes, (0, -planes.shape[3] % 8, 0, -planes.shape[2] % 8), mode="replicate")


def _halved(colours: Tensor) -> Tensor:
    """Means of 2 x 2: what lies between two numbers is rounded down and up in turn along a row, so no bias remains."""
    means = F.avg_pool2d(colours, 2)
    bias = colours.new_tensor([0.25, 0.5]).repeat(-(-means.shape[3] // 2))[: means.shape[3]]
    return means + (torch.floor(means + bias) - means).detach()


def _upsampled(colour: Tensor) -> Tensor:
    """Twice the height and width, each sample 3 parts of the nearest and 1 of the next, along both axes."""
    padded = F.pad(colour[:, None], (1, 1, 1, 1), mode="replicate")
    doubled = F.interpolate(padded, scale_factor=2, mode="bilinear", align_corners=False)
    return doubled[:, 0, 2:-2, 2:-2]


def _to_blocks(plane: Tensor) -> Tensor:
    count, height, width = plane.shape
    return plane.view(count, height // 8, 8, width // 8, 8).transpose(2, 3)


def _from_blocks(blocks: Tensor) -> Tensor:
    count, rows, columns = blocks.shape[:3]
    return blocks.transpose(2, 3).reshape(count, 8 * rows, 8 * columns)


def _basis(like: Tensor) -> Tensor:
    """The orthonormal cosine transform of 8 samples, one frequency a row."""
    frequency = torch.arange(8, dtype=torch.float64)[:, None]
    place = torch.arange(8, dtype=torch.float64) + 0.5
    basis = torch.cos(math.pi / 8 * frequency * place) / 2
    basis[0] /= math.sqrt(2)
    return basis.to(like)


def _dct(blocks: Tensor) -> Tensor:
    basis = _basis(blocks)
    return basis @ blocks @ basis.T


def _inverse_dct(coefficients: Tensor) -> Tensor:
    basis = _basis(coefficients)
    return basis.T @ coefficients @ basis
