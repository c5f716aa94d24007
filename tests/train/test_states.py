import pytest
import torch

from aimanga.errors import UsageError
from aimanga.train.states import State, States, is_finite


def state(iteration):
    return State(
        iteration, {"a.weight": torch.full((2, 3), float(iteration)), "step": torch.tensor(1.0)}, {"x": [1, None]}
    )


def test_what_is_saved_is_loaded_again(tmp_path):
    states = States(tmp_path, 3)
    assert states.iterations() == []
    states.save(state(7))
    found = States(tmp_path, 3).load(7)
    assert found.iteration == 7
    assert found.rest == {"x": [1, None]}
    assert found.tensors.keys() == {"a.weight", "step"}
    assert torch.equal(found.tensors["a.weight"], torch.full((2, 3), 7.0))
    assert found.tensors["step"].shape == ()


def test_the_last_ones_are_kept(tmp_path):
    states = States(tmp_path, 2)
    for iteration in (5, 10, 9, 20, 123_456_789):
        states.save(state(iteration))
    assert states.iterations() == [123_456_789, 20]
    states.remove_after(20)
    assert states.iterations() == [20]


def test_channels_last_weights_are_saved(tmp_path):
    x = torch.rand(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    States(tmp_path, 2).save(State(1, {"x": x}, {}))
    assert torch.equal(States(tmp_path, 2).load(1).tensors["x"], x)


@pytest.mark.parametrize("content", [b"", b"\x00" * 50, None])
def test_a_damaged_state_is_named(tmp_path, content):
    states = States(tmp_path, 2)
    states.save(state(1))
    path = tmp_path / "state" / "iteration-00000001.safetensors"
    path.write_bytes(path.read_bytes()[:-5] if content is None else content)
    with pytest.raises(UsageError, match=r"iteration-00000001\.safetensors: this state is damaged.*the one before"):
        states.load(1)


def test_what_is_not_finite():
    assert is_finite({"a": torch.ones(3), "b": torch.tensor(3)})
    assert not is_finite({"a": torch.ones(3), "b": torch.tensor([1.0, float("inf")])})
    assert not is_finite({"a": torch.tensor(float("nan"))})
