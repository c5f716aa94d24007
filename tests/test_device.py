import pytest
import torch

from aimanga.device import choose_device, device_in_words, has_fast_bf16
from aimanga.errors import UsageError


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "cpu:1"])
def test_devices_that_are_not_there_are_refused(name):
    with pytest.raises(UsageError, match=f"--device {name}: "):
        choose_device(name)


def test_the_first_gpu_is_taken_where_there_is_one(monkeypatch):
    assert choose_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("cuda", 0)


@pytest.mark.parametrize(("threads", "words"), [(1, "CPU, 1 thread"), (2, "CPU, 2 threads")])
def test_a_device_in_words(monkeypatch, threads, words):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert device_in_words(torch.device("cpu")) == words


@pytest.mark.parametrize(
    ("capabilities", "fast"),
    [
        ({}, False),
        ({"amx_bf16": True, "avx512_bf16": True, "avx512_fp16": True}, True),
        ({"avx512_bf16": True}, True),
        ({"avx512_bf16": True, "avx512_fp16": True}, False),  # a virtual machine hides AMX
    ],
)
def test_bf16_is_fast_where_the_processor_has_more_than_its_instructions(monkeypatch, capabilities, fast):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert has_fast_bf16(torch.device("cpu")) is fast
