import pytest
import torch
from lightning_fabric.strategies.single_device import SingleDeviceStrategy

from aimanga.errors import UsageError
from aimanga.train import fabric
from aimanga.train.fabric import Autocast, make_fabric, training_device, training_precision
from aimanga.train.recipe import TrainRecipe

CPU, CUDA, MPS = (torch.device(kind) for kind in ("cpu", "cuda", "mps"))


def recipe(precision="auto"):
    return TrainRecipe(
        data={"sources": [{"path": "x"}]}, losses={"pixel": {}}, train={"iterations": 1},
        compute={"precision": precision},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("device", "fast_bf16", "expected"),
    [(CPU, True, "bf16"), (CPU, False, "fp32"), (CUDA, True, "bf16"), (CUDA, False, "fp16"), (MPS, False, "fp32")],
)
def test_auto_is_bf16_where_that_is_faster(monkeypatch, device, fast_bf16, expected):
    monkeypatch.setattr(fabric, "has_fast_bf16", lambda device: fast_bf16)
    assert training_precision(recipe(), device) == expected


def test_what_is_asked_for_is_taken_where_it_can_be():
    assert training_precision(recipe("bf16"), CPU) == "bf16"
    assert training_precision(recipe("fp16"), CUDA) == "fp16"
    with pytest.raises(UsageError, match=r"compute\.precision fp16: only CUDA devices"):
        training_precision(recipe("fp16"), CPU)


def test_one_process_runs_on_its_device():
    made, precision, scaler = make_fabric("cpu", recipe("bf16"))
    assert (made.world_size, made.global_rank, made.device) == (1, 0, CPU)
    assert (precision, scaler) == ("bf16", None)


def test_pictures_come_in_as_they_are():
    seen = []

    class Layer(torch.nn.Linear):
        def forward(self, x):
            seen.append(x.dtype)
            made = super().forward(x)
            seen.append(made.dtype)
            return made

    made, _, _ = make_fabric("cpu", recipe("bf16"))
    layer = made.setup_module(Layer(2, 2))
    assert layer(torch.ones(1, 2)).dtype == torch.float32
    assert seen == [torch.float32, torch.bfloat16]
    assert isinstance(made.strategy.precision, Autocast)


@pytest.mark.parametrize(
    ("name", "rank", "expected"),
    [
        ("cuda", None, "cuda:0"),
        ("cuda:1", None, "cuda:1"),
        ("cuda", 2, "cuda:2"),
        ("cpu", 1, "cpu"),
        ("mps", None, "mps"),
    ],
)
def test_a_cuda_device_has_its_index(monkeypatch, name, rank, expected):
    monkeypatch.setattr(fabric, "choose_device", torch.device)
    device = training_device(name, rank)
    assert str(device) == expected
    if device.type == "cuda":
        SingleDeviceStrategy(device)
