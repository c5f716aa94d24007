import pytest
import torch

from aimanga.device import choose_device, device_in_words
from aimanga.errors import UsageError


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "cpu:1"])
def test_devices_that_are_not_there_are_refused(name):
    with pytest.raises(UsageError, match=f"--device {name}: "):
        choose_device(name)


def test_the_first_gpu_is_taken_where_there_is_one(monkeypatch):
    assert choose_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("cuda", 0)


def test_a_device_in_words():
    assert device_in_words(torch.device("cpu")) == f"CPU, {torch.get_num_threads()} threads"
