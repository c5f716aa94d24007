"""Against a walk through one tree at a time."""

import numpy as np
import pytest
import torch

from aimanga.metrics.forest import COLUMNS, forest_from_columns


def grown(rng, trees, features, capacity):
    """A random forest in the stored layout."""
    columns = {name: np.zeros((capacity, trees), np.float64 if name in ("upper", "avnode") else np.int32)
               for name in COLUMNS}  # fmt: skip
    for tree in range(trees):
        used, pending = 1, [0]
        while pending:
            node = pending.pop(0)
            columns["avnode"][node, tree] = rng.normal()
            if used + 2 > capacity or (node and rng.random() < 0.3):
                columns["nodestatus"][node, tree] = -1
                continue
            columns["nodestatus"][node, tree] = -3
            columns["lDau"][node, tree], columns["rDau"][node, tree] = used + 1, used + 2
            columns["mbest"][node, tree] = rng.integers(features) + 1
            columns["upper"][node, tree] = rng.integers(4)
            pending += [used, used + 1]
            used += 2
    return columns


def walked(columns, sample):
    """The mean over trees, one step at a time."""
    values = []
    for tree in range(columns["upper"].shape[1]):
        node = 0
        while columns["nodestatus"][node, tree] != -1:
            small = sample[columns["mbest"][node, tree] - 1] <= columns["upper"][node, tree]
            node = columns["lDau" if small else "rDau"][node, tree] - 1
        values.append(columns["avnode"][node, tree])
    return np.mean(values)


def stump():
    """One split: at most 0.5 goes to the left."""
    return {
        "lDau": np.array([[2], [0], [0]]),
        "rDau": np.array([[3], [0], [0]]),
        "nodestatus": np.array([[-3], [-1], [-1]]),
        "mbest": np.array([[1], [0], [0]]),
        "upper": np.array([[0.5], [0], [0]]),
        "avnode": np.array([[9.0], [-1.0], [4.0]]),
    }


def test_a_random_forest_predicts_what_a_walk_finds():
    """Features and thresholds are whole numbers: many samples stand on a threshold, which belongs to the left."""
    rng = np.random.default_rng(0)
    columns = grown(rng, trees=30, features=5, capacity=41)
    samples = rng.integers(0, 4, (50, 5)).astype(np.float64)
    forest = forest_from_columns(columns, 5)
    found = forest(torch.from_numpy(samples))
    np.testing.assert_allclose(found.numpy(), [walked(columns, sample) for sample in samples], rtol=1e-12)
    assert len(forest.value) == (columns["nodestatus"] != 0).sum() < columns["nodestatus"].size


def test_a_single_leaf_and_a_single_split():
    forest = forest_from_columns(stump(), 1)
    assert forest(torch.tensor([[0.5], [0.50001]], dtype=torch.float64)).tolist() == [-1.0, 4.0]
    leaf = {name: array[1:2] for name, array in stump().items()}
    assert forest_from_columns(leaf, 1)(torch.zeros(2, 1, dtype=torch.float64)).tolist() == [-1.0, -1.0]


@pytest.mark.parametrize(
    ("name", "place", "value", "message"),
    [
        ("lDau", 0, 1, "child of a split is not a node"),  # to itself
        ("rDau", 0, 4, "child of a split is not a node"),  # behind the last
        ("rDau", 0, 0, "child of a split is not a node"),
        ("nodestatus", 2, 0, "child of a split is not a node"),  # to a place that is not used
        ("nodestatus", 0, -2, "status of its nodes"),
        ("nodestatus", 0, 0, "status of its nodes"),
        ("mbest", 0, 2, "other features than the 1"),
        ("mbest", 0, 0, "other features than the 1"),
    ],
)
def test_what_is_no_tree_is_refused(name, place, value, message):
    columns = stump()
    columns[name][place] = value
    with pytest.raises(ValueError, match=message):
        forest_from_columns(columns, 1)


def test_arrays_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="of one size"):
        forest_from_columns({**stump(), "upper": np.zeros((2, 1))}, 1)
