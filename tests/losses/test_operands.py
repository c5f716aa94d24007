"""What every loss keeps, whatever it measures; a new one fails here until it is in the catalogue below."""

import pytest
import torch

from aimanga import losses
from aimanga.losses.operands import matched, widened


def scales(x):
    """As maps of logits of two sizes."""
    return [x, x[:, :, ::2, ::2]]


def features(x):
    return {"shallow": x, "deep": x[:, :, ::2, ::2]}


CASES = {
    "l1": losses.l1,
    "charbonnier": losses.charbonnier,
    "generator_loss vanilla": lambda x, _: losses.generator_loss("vanilla", scales(x)),
    "generator_loss hinge": lambda x, _: losses.generator_loss("hinge", scales(x)),
    "generator_loss least_squares": lambda x, _: losses.generator_loss("least_squares", scales(x)),
    "discriminator_losses vanilla": lambda x, y: sum(losses.discriminator_losses("vanilla", scales(x), scales(y))),
    "discriminator_losses hinge": lambda x, y: sum(losses.discriminator_losses("hinge", scales(x), scales(y))),
    "discriminator_losses least_squares": lambda x, y: sum(
        losses.discriminator_losses("least_squares", scales(x), scales(y))
    ),
    "perceptual": lambda x, y: losses.perceptual(features(x), features(y), {"shallow": 0.1, "deep": 1.0}),
    "feature_matching": lambda x, y: losses.feature_matching(scales(x), scales(y)),
    "ldl": lambda x, y: losses.ldl(x, y, x.detach().flip(3)),
    "focal_frequency": losses.focal_frequency,
    "grid": losses.grid,
    "ms_ssim_loss": losses.ms_ssim_loss,
    "colour_consistency": losses.colour_consistency,
}
every_loss = pytest.mark.parametrize("loss", CASES.values(), ids=CASES)


def pair(batch=4, dtype=torch.float32):
    """Pictures and their targets, which are alike, as after some training."""
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(batch, 3, 22, 26, dtype=dtype, generator=generator)
    noise = torch.rand(target.shape, dtype=dtype, generator=generator)
    return target.lerp(noise, 0.3).requires_grad_(), target


def value_and_gradient(loss, x, target):
    value = loss(x, target)
    return value, torch.autograd.grad(value, x)[0]


def test_the_catalogue_has_every_loss():
    assert losses.__all__ == sorted(losses.__all__)
    assert {name.split()[0] for name in CASES} == set(losses.__all__) - {"GanLoss"}


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_number_of_the_inputs_type_with_a_gradient(loss, dtype):
    x, target = pair(dtype=dtype)
    value, gradient = value_and_gradient(loss, x, target)
    assert (value.shape, value.dtype, gradient.dtype) == ((), dtype, dtype)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()
    assert gradient.any()


@every_loss
@pytest.mark.parametrize("parts", [2, 4])
def test_the_mean_over_equal_slices_is_the_value_over_the_batch(loss, parts):
    """So that several processes, which average their gradients, get the gradient of one."""
    x, target = pair(dtype=torch.float64)
    value, gradient = value_and_gradient(loss, x, target)
    sliced = torch.stack([loss(*both) for both in zip(x.chunk(parts), target.chunk(parts), strict=True)]).mean()
    torch.testing.assert_close(sliced, value, rtol=1e-12, atol=0)
    torch.testing.assert_close(torch.autograd.grad(sliced, x)[0], gradient, rtol=1e-9, atol=1e-15)


@every_loss
def test_autocast_changes_nothing(loss):
    x, target = pair()
    expected = value_and_gradient(loss, x, target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(x, target)
    torch.testing.assert_close((found, torch.autograd.grad(found, x)[0]), expected, rtol=0, atol=0)


@every_loss
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_types_are_computed_in_float32(loss, dtype):
    x, target = (y.detach().to(dtype) for y in pair())
    value, gradient = value_and_gradient(loss, x.requires_grad_(), target)
    expected, wide = value_and_gradient(loss, x.detach().float().requires_grad_(), target.float())
    assert (value.dtype, gradient.dtype) == (torch.float32, dtype)
    assert value == expected
    torch.testing.assert_close(gradient.float(), wide, rtol=2**-7, atol=1e-6)


@every_loss
def test_nothing_is_left_on_another_device(loss):
    """PyTorch's meta device refuses, as a GPU does, what was made on the CPU."""
    x, target = (y.detach().to("meta") for y in pair())
    value, gradient = value_and_gradient(loss, x.requires_grad_(), target)
    assert value.device.type == gradient.device.type == "meta"


@pytest.mark.parametrize("name", sorted(set(CASES) - {name for name in CASES if name[:3] in ("dis", "gen")}))
def test_pictures_of_different_shapes_are_an_error(name):
    """They would be compared all the same, one with every other, if a size is 1."""
    x, target = pair()
    with pytest.raises(ValueError, match=r"of one shape, not of \(4, 3, 22, 26\) and \(1, 3, 22, 26\)"):
        CASES[name](x, target[:1])


def test_only_narrow_types_are_cast():
    kinds = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
    wide = [widened(torch.zeros(1, dtype=kind)).dtype for kind in kinds]
    assert wide == [torch.float32, torch.float32, torch.float32, torch.float64]
    assert [x.dtype for x in matched(torch.zeros(1).bfloat16(), torch.zeros(1).double())] == wide[1::2]
