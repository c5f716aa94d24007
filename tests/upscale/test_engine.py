import pytest
import torch

from aimanga.errors import PictureError
from aimanga.models import LoadedModel, RRDBNet, load_model
from aimanga.upscale.engine import Engine, _exact_float32

CPU = torch.device("cpu")
X = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(0))


def loaded(network):
    return LoadedModel("test", network.eval(), network.scale, network.scale, None, "0" * 64)


def small(**options):
    torch.manual_seed(0)
    return RRDBNet(features=8, blocks=2, growth=4, **options)


def test_in_fp32_it_is_the_network():
    network = small()
    with torch.no_grad():
        torch.testing.assert_close(Engine(loaded(network), CPU, "fp32").run(X), network(X))


def test_bf16_comes_close_and_leaves_the_first_and_last_convolution_in_fp32():
    network = small()
    engine = Engine(loaded(network), CPU, "bf16")
    types = {name: p.dtype for name, p in engine._network.named_parameters()}
    assert types["conv_first.weight"] == types["conv_last.bias"] == torch.float32
    assert types["body.0.rdb1.conv1.weight"] == types["conv_hr.bias"] == torch.bfloat16
    with torch.no_grad():
        torch.testing.assert_close(engine.run(X), network(X), atol=2e-3, rtol=0)
    assert {p.dtype for p in network.parameters()} == {torch.float32}, "the model itself was changed"


@pytest.mark.parametrize(("scale", "height", "width"), [(2, 7, 5), (1, 7, 5), (1, 1, 1), (4, 1, 1), (4, 1, 24)])
def test_sizes_that_are_no_multiple_of_the_unshuffling(scale, height, width):
    engine = Engine(loaded(small(scale=scale)), CPU, "fp32")
    assert engine.run(X[:, :, :height, :width]).shape == (1, 3, height * scale, width * scale)


def test_padding_does_not_reach_the_result_of_what_needs_none():
    engine = Engine(loaded(small(scale=2)), CPU, "fp32")
    whole = engine.run(X)
    torch.testing.assert_close(engine.run(X[:, :, :, :23])[..., :20], whole[..., :20], atol=1e-3, rtol=0)


class Overflowing(torch.nn.Module):
    """Gives infinities as long as its weights are not in float32."""

    def __init__(self, always):
        super().__init__()
        self.scale = 1
        self.first, self.conv, self.last = (torch.nn.Conv2d(3, 3, 1) for _ in range(3))
        self.always = always

    def forward(self, x):
        broken = self.always or self.conv.weight.dtype != torch.float32
        return x * float("inf") if broken else x + self.first.weight.sum() * 0


def test_a_result_that_is_not_finite_is_computed_again_in_fp32():
    torch.testing.assert_close(Engine(loaded(Overflowing(always=False)), CPU, "bf16").run(X), X)


def test_a_result_that_is_not_finite_in_fp32_either_is_an_error():
    for precision in ("bf16", "fp32"):
        with pytest.raises(PictureError, match="not finite"):
            Engine(loaded(Overflowing(always=True)), CPU, precision).run(X)


def test_the_memory_goes_with_the_width_unless_the_whole_picture_is_needed():
    engine = Engine(loaded(small()), CPU, "fp32")
    assert engine.memory_needed(1000, 1000) == engine.memory_needed(1000, 9000)
    assert engine.memory_needed(1000, 1000) < engine.memory_needed(4000, 250) < 4 * engine.memory_needed(1000, 1000)
    whole = Engine(loaded(Overflowing(always=False)), CPU, "fp32")
    assert not whole.streams
    rows = 4 * 3 * 2 * 3000 * 6000  # the picture and its result, three channels in float32
    assert whole.memory_needed(3000, 9000) - whole.memory_needed(3000, 3000) == rows


def test_the_measured_speed_is_positive():
    assert 0 < Engine(loaded(small()), CPU, "fp32").seconds_per_pixel() < 1


def test_on_cuda_only_the_tensor_float_is_switched_off(monkeypatch):
    before = torch._C._get_cudnn_enabled(), torch._C._get_cudnn_allow_tf32()
    with _exact_float32(torch.device("cuda")):
        assert (torch._C._get_cudnn_enabled(), torch._C._get_cudnn_allow_tf32()) == (before[0], False)
    assert (torch._C._get_cudnn_enabled(), torch._C._get_cudnn_allow_tf32()) == before


def test_no_gradient_is_recorded():
    assert not Engine(loaded(small()), CPU, "fp32").run(X).requires_grad


@pytest.mark.slow
def test_bf16_is_within_50_db_of_fp32_on_a_detailed_photo(samples):
    from aimanga.images import read
    from aimanga.tensors import from_array

    x = from_array(read(samples / "lionfish.jpg").pixels[:48, :48])
    model = load_model("realesrgan-x4plus")
    exact, fast = (Engine(model, CPU, precision).run(x).clamp(0, 1) for precision in ("fp32", "bf16"))
    assert -10 * torch.log10((exact - fast).square().mean()) >= 50
