"""The scale Swin transformer blocks of MANIQA: attention in windows that every other block shifts.

Sources: Z. Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021,
arXiv:2103.14030; S. Yang et al., "MANIQA", CVPRW 2022, arXiv:2204.08958 (the convolution and the scale), with its
official code (Apache-2.0) for the details and the names of the parameters.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aimanga.metrics.vit import MLP, attend

# Added to the logit of two tokens that the cyclic shift has moved into one window from opposite edges.
_APART = -100.0


def partition(grid: Tensor, window: int) -> Tensor:
    """Partition a grid of tokens into square windows.

    Args:
        grid: N x H x W x C, both sides multiples of `window`.
        window: Side of a window.

    Returns:
        N x (H W / window^2) x window^2 x C: the windows in row-major order, and the tokens of each likewise.
    """
    count, height, width, features = grid.shape
    tiled = grid.reshape(count, height // window, window, width // window, window, features)
    return tiled.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def merge(windows: Tensor, height: int, width: int) -> Tensor:
    """Merge windows into a grid: the inverse of `partition`.

    Args:
        windows: N x (height width / window^2) x window^2 x C.
        height: Rows of the grid.
        width: Columns of the grid.

    Returns:
        N x height x width x C.
    """
    count, _, tokens, features = windows.shape
    window = round(tokens**0.5)
    tiled = windows.reshape(count, height // window, width // window, window, window, features)
    return tiled.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def relative_position_index(window: int) -> Tensor:
    """Number the (2 window - 1)^2 relative positions of two tokens of a window, in row-major order.

    Returns:
        window^2 x window^2, int64: at [i, j] the number of the relative position of token i to token j.
    """
    row, column = torch.arange(window**2) // window, torch.arange(window**2) % window
    down, right = row[:, None] - row, column[:, None] - column
    return (down + window - 1) * (2 * window - 1) + right + window - 1


def shift_mask(side: int, window: int, shift: int) -> Tensor:
    """Mask the attention of tokens that are in one window only because of the cyclic shift.

    Args:
        side: Rows and columns of the grid, a multiple of `window`.
        window: Side of a window.
        shift: By how much the grid is rolled up and left, from 1 to `window` - 1.

    Returns:
        (side / window)^2 x window^2 x window^2, float32, for each window and pair of its tokens: 0, or -100.
    """
    place = torch.arange(side)
    region = (place >= side - window).long() + (place >= side - shift).long()
    regions = partition((3 * region[:, None] + region)[None, :, :, None], window)[0, :, :, 0]
    apart = regions[:, None, :] != regions[:, :, None]
    return torch.where(apart, _APART, 0.0)


class WindowAttention(nn.Module):
    """Multi-head attention in windows, with a learned bias for each relative position.

    Args:
        width: Features of a token.
        window: Side of a window.
        heads: Number of heads, a divisor of `width`.
    """

    relative_position_index: Tensor

    def __init__(self, width: int, window: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.register_buffer("relative_position_index", relative_position_index(window))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Attend in each window.

        Args:
            windows: N x windows x T x width.
            mask: Added to the logits of all heads: windows x T x T, or None.

        Returns:
            The same shape as `windows`.
        """
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        if mask is not None:
            bias = bias + mask[:, None]
        out: Tensor = self.proj(attend(self.qkv(windows), self.heads, bias))
        return out


class SwinBlock(nn.Module):
    """A pre-norm block: attention in windows and an MLP, each with a residual.

    Args:
        side: Rows and columns of the grid of tokens, a multiple of `window`.
        width: Features of a token.
        window: Side of a window.
        shift: By how much the windows are shifted down and right, from 0 to `window` - 1.
        heads: Heads of the attention.
        hidden: Hidden features of the MLP.
    """

    attn_mask: Tensor | None

    def __init__(self, side: int, width: int, *, window: int, shift: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, window, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MLP(width, hidden)
        self.register_buffer("attn_mask", shift_mask(side, window, shift) if shift else None)

    def forward(self, grid: Tensor) -> Tensor:
        """Map N x side x side x width to the same shape."""
        rolled = torch.roll(self.norm1(grid), (-self.shift, -self.shift), (1, 2))
        attended = self.attn(partition(rolled, self.window), self.attn_mask)
        grid = grid + torch.roll(merge(attended, *grid.shape[1:3]), (self.shift, self.shift), (1, 2))
        out: Tensor = grid + self.mlp(self.norm2(grid))
        return out


class SwinLayer(nn.Module):
    """Swin blocks, every other one with shifted windows, then a convolution with a ReLU.

    Args:
        side: Rows and columns of the grid of tokens, a multiple of `window`.
        width: Features of a token.
        depth: Number of blocks.
        window: Side of a window.
        heads: Heads of the attention.
        hidden: Hidden features of the MLP.
    """

    def __init__(self, side: int, width: int, *, depth: int, window: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                SwinBlock(side, width, window=window, shift=number % 2 * (window // 2), heads=heads, hidden=hidden)
                for number in range(depth)
            )
        )
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map N x width x side x side to the same shape."""
        refined = self.blocks(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return F.relu(self.conv(refined))


class ScaleSwin(nn.Module):
    """Swin layers, each with a scaled residual: x + scale * layer(x).

    Args:
        side: Rows and columns of the grid of tokens, a multiple of `window`.
        width: Features of a token.
        depths: Number of blocks in each layer.
        window: Side of a window.
        heads: Heads of the attention.
        hidden: Hidden features of the MLPs.
        scale: The factor of a layer's output.
    """

    def __init__(
        self, side: int, width: int, *, depths: Sequence[int], window: int, heads: int, hidden: int, scale: float
    ) -> None:
        super().__init__()
        self.scale = scale
        # Not used, but the published files hold its weights.
        self.downsample = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(
            SwinLayer(side, width, depth=depth, window=window, heads=heads, hidden=hidden) for depth in depths
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map N x width x side x side to the same shape."""
        for layer in self.layers:
            x = torch.add(x, layer(x), alpha=self.scale)
        return x
