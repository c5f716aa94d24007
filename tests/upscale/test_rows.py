import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aimanga.tensors import resize
from aimanga.upscale.rows import RowBuffer, lockstep, resize_rows


def numbered(height, width=2):
    return torch.arange(float(height)).view(1, 1, height, 1).expand(1, 1, height, width)


def test_a_buffer_gives_the_rows_by_their_numbers():
    rows = RowBuffer()
    for band in torch.split(numbered(10), 3, 2):
        rows.append(band)
    assert rows.end == 10
    assert torch.equal(rows.between(2, 8), numbered(10)[:, :, 2:8])
    assert [piece.shape[2] for piece in rows.pieces(2, 8)] == [1, 3, 2]
    rows.forget(5)
    assert torch.equal(rows.between(5, 10), numbered(10)[:, :, 5:])
    assert list(rows.starts()) == [5, 6, 9]


def test_a_few_rows_do_not_hold_the_memory_of_many():
    rows = RowBuffer()
    rows.append(torch.rand(1, 1, 100, 8))
    rows.forget(98)
    (rest,) = rows.pieces(98, 100)
    assert rest.untyped_storage().nbytes() == 2 * 8 * 4


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 60), st.integers(1, 60), st.integers(1, 41))
def test_a_resize_by_rows_is_the_resize_of_the_whole(height, new_height, new_width, band):
    x = torch.rand(1, 2, height, 7, generator=torch.Generator().manual_seed(height))
    made = list(resize_rows(torch.split(x, band, 2), height, (new_width, new_height)))
    torch.testing.assert_close(torch.cat(made, 2), resize(x, new_height, new_width), atol=1e-6, rtol=0)


def test_a_resize_by_rows_holds_few_rows():
    """For x2 no row of the result waits for more than the two source rows below it."""
    fed = 0

    def bands():
        nonlocal fed
        for band in torch.split(numbered(100), 1, 2):
            fed += 1
            yield band

    made = 0
    for rows in resize_rows(bands(), 100, (4, 200)):
        made += rows.shape[2]
        assert made >= 2 * (fed - 3)
    assert made == 200


@pytest.mark.parametrize("cuts", [(3, 5), (5, 3), (1, 100), (7, 7)])
def test_lockstep_brings_the_same_rows_together(cuts):
    pairs = list(lockstep(*(iter(torch.split(numbered(23), cut, 2)) for cut in cuts)))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert torch.equal(torch.cat([a for a, _ in pairs], 2), numbered(23))


def test_lockstep_refuses_streams_of_unequal_length():
    with pytest.raises(ValueError, match="shorter"):
        list(lockstep(iter([numbered(4)]), iter([numbered(5)])))
