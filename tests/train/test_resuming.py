import pytest
import torch

from aimanga.config import write_toml
from aimanga.errors import UsageError
from aimanga.train.reading import RECIPE
from aimanga.train.recipe import TrainRecipe
from aimanga.train.resuming import check_folder
from aimanga.train.states import State, States


def recipe(**train):
    return TrainRecipe(data={"sources": [{"path": "x"}]}, losses={"pixel": {}}, train={"iterations": 10, **train})


@pytest.fixture
def begun(tmp_path):
    """A folder with a training at iteration 5."""

    def make(made):
        write_toml(made, tmp_path / RECIPE)
        States(tmp_path, 2).save(State(5, {"x": torch.zeros(1)}, {}))
        return tmp_path, States(tmp_path, 2)

    return make


def test_an_empty_folder_is_fit_for_both(tmp_path):
    for resume in (True, False):
        check_folder(tmp_path / "new", States(tmp_path / "new", 2), recipe(), resume=resume)


def test_a_training_is_not_begun_over_another(begun):
    with pytest.raises(UsageError, match="holds a training at iteration 5"):
        check_folder(*begun(recipe()), recipe(), resume=False)


def test_what_changes_nothing_that_is_computed_may_change(begun):
    changed = recipe(iterations=99, hours=2.0, accumulate=4, lr=1.0, schedule="cosine", hold=0.5).replaced(
        logging={"every": 3},
        description="other words",
        data={"sources": [{"path": "moved"}], "workers": 7},
        discriminator={"rates": {"lr": 3.0}},
    )
    check_folder(*begun(recipe()), changed, resume=True)


def test_all_else_is_named(begun):
    changed = recipe(seed=3).replaced(losses={"pixel": {"weight": 2.0}, "colour": {}})
    with pytest.raises(UsageError) as caught:
        check_folder(*begun(recipe()), changed, resume=True)
    message = str(caught.value)
    for part in (
        "losses.colour", "losses.pixel.weight (1.0 before, 2.0 now)",
        "train.seed (0 before, 3 now)", "choose another folder",
    ):  # fmt: skip
        assert part in message
