import math

import pytest
import torch
import torch.nn.functional as F

from aimanga.metrics.swin_blocks import ScaleSwin, SwinBlock, merge, partition, relative_position_index, shift_mask


def randomized(module):
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data.normal_(generator=generator)
    return module.requires_grad_(False)


def test_windows_are_cut_row_after_row():
    grid = torch.arange(16).view(1, 4, 4, 1)
    windows = partition(grid, 2)[0, :, :, 0]
    assert windows.tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]


def test_what_was_cut_is_put_together():
    grid = torch.rand(2, 4, 6, 3)
    assert torch.equal(merge(partition(grid, 2), 4, 6), grid)


def test_relative_positions_of_the_smallest_window():
    # Its tokens lie at (0, 0), (0, 1), (1, 0) and (1, 1); the number is 3 (rows + 1) + (columns + 1).
    assert relative_position_index(2).tolist() == [[4, 3, 1, 0], [5, 4, 2, 1], [7, 6, 4, 3], [8, 7, 5, 4]]


def test_the_mask_of_the_smallest_grid():
    """Rolled by one, the last row and the last column of a 4 x 4 grid come from the opposite edges."""
    mask = shift_mask(4, 2, 1)
    apart = -100.0 * (1 - torch.eye(2))
    beside, above = apart.repeat(2, 2), apart.repeat_interleave(2, 0).repeat_interleave(2, 1)
    assert mask.dtype == torch.float32
    assert torch.equal(mask, torch.stack((torch.zeros(4, 4), beside, above, -100 * (1 - torch.eye(4)))))


@pytest.mark.parametrize("shift", [0, 2])
def test_a_block_is_attention_among_all_tokens_that_share_a_window(shift):
    side, width, window, heads = 8, 6, 4, 2
    block = randomized(SwinBlock(side, width, window=window, shift=shift, heads=heads, hidden=5)).double()
    grid = torch.rand(2, side, side, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    row, column = (axis.flatten() for axis in torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij"))
    # Windows shifted down and right begin at `shift`; what lies before is a smaller window of its own.
    row_window, column_window = ((axis - shift).div(window, rounding_mode="floor") for axis in (row, column))
    together = (row_window[:, None] == row_window) & (column_window[:, None] == column_window)
    down, right = row[:, None] - row, column[:, None] - column
    offset = ((down + window - 1) * (2 * window - 1) + right + window - 1).where(together, 0)

    tokens = grid.flatten(1, 2)
    query, key, value = block.attn.qkv(F.layer_norm(tokens, (width,), *block.norm1.parameters(), 1e-5)).chunk(3, 2)
    mixed = []
    for head in range(heads):
        q, k, v = (x.chunk(heads, 2)[head] for x in (query, key, value))
        logits = q @ k.transpose(1, 2) / math.sqrt(width // heads)
        logits = logits + block.attn.relative_position_bias_table[offset, head]
        mixed.append(logits.where(together, -torch.inf).softmax(2) @ v)
    tokens = tokens + block.attn.proj(torch.cat(mixed, 2))
    hidden = block.mlp.fc1(F.layer_norm(tokens, (width,), *block.norm2.parameters(), 1e-5))
    expected = tokens + block.mlp.fc2(hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2)
    torch.testing.assert_close(block(grid).flatten(1, 2), expected)


def test_each_layer_adds_its_part():
    swin = ScaleSwin(8, 4, depths=(2, 2), window=4, heads=2, hidden=3, scale=0.8)
    for number, layer in enumerate(swin.layers):
        layer.conv.weight.data.zero_()
        layer.conv.bias.data = torch.tensor([1.0, 2.0, -3.0, 0.0]) + number
    x = torch.rand(1, 4, 8, 8)
    # Behind the ReLU the layers give (1, 2, 0, 0) and (2, 3, 0, 1).
    added = torch.tensor([2.4, 4.0, 0.0, 0.8]).view(1, 4, 1, 1).expand_as(x)
    torch.testing.assert_close(swin(x) - x, added)


def test_every_other_block_shifts_its_windows():
    swin = ScaleSwin(8, 4, depths=(2, 3), window=4, heads=2, hidden=3, scale=0.8)
    assert [[block.shift for block in layer.blocks] for layer in swin.layers] == [[0, 2], [0, 2, 0]]


def test_a_layer_refines_rows_and_columns_as_they_lie():
    """One token is changed: its window, rows 4 to 7 and columns 8 to 11, and what the convolution sees it from."""
    layer = randomized(ScaleSwin(12, 4, depths=(1,), window=4, heads=2, hidden=3, scale=0.8)).double().layers[0]
    x = torch.rand(1, 4, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    other = x.clone()
    other[0, :, 5, 9] += 1
    changed = (layer(other) != layer(x)).any(1)[0].nonzero()
    assert changed.amin(0).tolist() == [3, 7]
    assert changed.amax(0).tolist() == [8, 11]
