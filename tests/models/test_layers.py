import pytest
import torch

from aimanga.models.layers import Conv3x3, PReLU


@pytest.mark.parametrize("weights", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("given", [torch.float32, torch.float64, torch.bfloat16])
def test_the_weights_decide_in_which_type_it_computes(weights, given):
    for layer in (Conv3x3(2, 3), PReLU(2)):
        assert layer.to(weights)(torch.rand(1, 2, 5, 4).to(given)).dtype == weights
