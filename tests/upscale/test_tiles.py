import itertools

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from aimanga.upscale.tiles import _spans, run_in_tiles


def blur_and_enlarge(radius, scale):
    """A network whose result at a pixel depends on `radius` pixels around it."""
    kernel = torch.rand(1, 1, 2 * radius + 1, 2 * radius + 1, generator=torch.Generator().manual_seed(0))

    def network(x):
        return F.interpolate(F.conv2d(x, kernel, padding=radius), scale_factor=scale, mode="nearest")

    return network


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 4))
def test_with_a_halo_as_wide_as_the_network_looks_the_result_is_exact(height, width, scale):
    network = blur_and_enlarge(8, scale)
    x = torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(1))
    tiled = run_in_tiles(network, x, scale, lambda share: None, tile=16, halo=8)
    torch.testing.assert_close(tiled, network(x))


def test_too_small_a_halo_shows():
    """The test above can fail."""
    network = blur_and_enlarge(8, 1)
    x = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    tiled = run_in_tiles(network, x, 1, lambda share: None, tile=16, halo=4)
    assert (tiled - network(x)).abs().max() > 0.1


@given(st.integers(1, 5000), st.sampled_from([16, 64, 256]))
def test_spans_cover_everything_once_and_are_even(length, tile):
    spans = list(_spans(length, tile))
    assert spans[0][0] == 0 and spans[-1][1] == length
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(spans))
    assert all(start % 4 == 0 for start, _ in spans)
    assert all(end - start <= tile for start, end in spans)


def test_progress_ends_at_one_and_never_goes_back():
    told = []
    run_in_tiles(blur_and_enlarge(1, 2), torch.rand(1, 1, 70, 50), 2, told.append, tile=16, halo=8)
    assert told == sorted(told) and told[-1] == 1.0 and len(told) > 10
