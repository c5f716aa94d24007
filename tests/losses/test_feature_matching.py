import pytest
import torch

from aimanga.losses import feature_matching


def test_a_case_by_hand():
    """|1 - 2| / 2 in the first layer, (|3 - 4| + |1 - 4|) / 8 in the second."""
    fake = [torch.full((1, 1, 2, 2), 1.0), torch.tensor([3.0, 1.0]).view(1, 2, 1, 1)]
    real = [torch.full((1, 1, 2, 2), -2.0) * -1, torch.full((1, 2, 1, 1), 4.0)]
    assert feature_matching(fake, real) == pytest.approx((0.5 + 0.5) / 2)


def test_no_gradient_flows_into_the_real_ones():
    fake, real = (torch.rand(1, 2, 3, 3, requires_grad=True) for _ in range(2))
    feature_matching([fake], [real]).backward()
    assert fake.grad.any()
    assert real.grad is None


def test_layers_are_compared_one_by_one():
    x = torch.rand(1, 2, 3, 3)
    for fake, real in (([], []), ([x], [x, x])):
        with pytest.raises(ValueError, match="layers of the generated"):
            feature_matching(fake, real)
