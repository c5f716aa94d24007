import pytest
import torch

from aimanga.errors import UsageError
from aimanga.text import counted
from aimanga.upscale import precision
from aimanga.upscale.precision import choose_precision, describe

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_bf16": True}, "bf16"),
        ({"amx_bf16": True}, "bf16"),
        ({"amx_bf16": True, "avx512_bf16": True, "avx512_fp16": True}, "bf16"),
        ({"avx512_bf16": True, "avx512_fp16": True}, "fp32"),
        ({"avx2": True, "avx512_bf16": False}, "fp32"),
        ({}, "fp32"),
    ],
)
def test_auto_on_a_cpu_is_bf16_only_where_that_is_faster(monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert choose_precision("auto", CPU) == expected


def test_a_pytorch_that_cannot_tell_the_capabilities_takes_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_precision("auto", CPU) == "fp32"


def test_auto_elsewhere():
    assert choose_precision("auto", torch.device("cuda")) == "fp16"
    assert choose_precision("auto", torch.device("mps")) == "fp32"


def test_what_is_asked_for_is_taken():
    assert choose_precision("fp32", CPU) == "fp32"
    assert choose_precision("bf16", CPU) == "bf16"


def test_precisions_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="--precision int8"):
        choose_precision("int8", CPU)
    with pytest.raises(UsageError, match="--precision fp16.*use bf16 or fp32"):
        choose_precision("fp16", CPU)


def test_the_description_says_device_and_precision():
    assert describe(CPU, "bf16") == f"CPU, {counted(torch.get_num_threads(), 'thread')}, bf16 convolutions, fp32 sums"
    assert describe(CPU, "fp32").endswith(", fp32")
    assert set(precision.WEIGHT_TYPES) == {"fp32", "bf16", "fp16"}
