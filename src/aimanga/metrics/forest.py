"""Random forests for regression, as arrays: all trees process all samples in parallel, level by level.

Source: L. Breiman, "Random forests", Machine Learning 45, 2001, doi:10.1023/A:1010933404324; the arrays are those of
the MATLAB port of R's randomForest.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

_LEAF, _SPLIT, _UNUSED = -1, -3, 0

COLUMNS = ("lDau", "rDau", "nodestatus", "mbest", "upper", "avnode")
"""The arrays of a stored forest, nodes x trees each."""


class Forest(nn.Module):
    """A random forest: the prediction is the mean over trees of the value of the leaf that a sample reaches.

    The nodes of all trees are concatenated. A leaf is its own left and right child, so a sample that has reached it
    stays there.

    Args:
        roots: trees, int64: the root of each tree.
        left: nodes, int32: the child for samples whose feature is at most the threshold. A child comes after its
            parent.
        right: nodes, int32: the child for all other samples.
        feature: nodes, int32: the feature that a node compares.
        threshold: nodes, float64.
        value: nodes, float64; only those of leaves are used.
    """

    roots: Tensor
    left: Tensor
    right: Tensor
    feature: Tensor
    threshold: Tensor
    value: Tensor

    def __init__(
        self, roots: Tensor, left: Tensor, right: Tensor, feature: Tensor, threshold: Tensor, value: Tensor
    ) -> None:
        super().__init__()
        self.register_buffer("roots", roots)
        self.register_buffer("left", left)
        self.register_buffer("right", right)
        self.register_buffer("feature", feature)
        self.register_buffer("threshold", threshold)
        self.register_buffer("value", value)

    def forward(self, samples: Tensor) -> Tensor:
        """Predict the values of samples.

        Args:
            samples: N x features, float64.

        Returns:
            N, float64.
        """
        nodes = self.roots.expand(len(samples), -1)
        while True:
            small = samples.gather(1, self.feature[nodes].long()) <= self.threshold[nodes]
            following = torch.where(small, self.left[nodes], self.right[nodes]).long()
            if torch.equal(following, nodes):
                return self.value[nodes].mean(1)
            nodes = following


def forest_from_columns(columns: Mapping[str, npt.NDArray[Any]], features: int) -> Forest:
    """Convert stored arrays, in which each column is a tree and its first node the root.

    Args:
        columns: By the names of `COLUMNS`: left and right child, counted from 1; the status, which is -1 for a leaf, -3
            for a split and 0 for an unused entry; the feature, counted from 1; the threshold; the value.
        features: Number of features of a sample.

    Returns:
        The forest, without the unused entries.

    Raises:
        ValueError: The shapes differ, or the arrays do not describe trees over that many features.
    """
    # One tree a row, so that its nodes are contiguous.
    left, right, status, feature, threshold, value = (np.asarray(columns[name]).T for name in COLUMNS)
    if status.ndim != 2 or any(array.shape != status.shape for array in (left, right, feature, threshold, value)):
        raise ValueError("its arrays are not nodes x trees of one size")
    used = status != _UNUSED
    split = status == _SPLIT
    if not (split | (status == _LEAF) | ~used).all() or not used.size or not used[:, 0].all():
        raise ValueError("the status of its nodes is not that of trees")
    numbers = np.cumsum(used).reshape(used.shape) - 1
    trees, places = np.nonzero(split)
    children = []
    for side in (left, right):
        child = side[split].astype(np.int64) - 1
        # After the parent, so that there are no cycles.
        if (child <= places).any() or (child >= used.shape[1]).any() or not used[trees, child].all():
            raise ValueError("the child of a split is not a node")
        own = numbers[used]
        own[numbers[split]] = numbers[trees, child]
        children.append(torch.from_numpy(own.astype(np.int32)))
    compared = np.where(split, feature, 1).astype(np.int64) - 1
    if (compared < 0).any() or (compared >= features).any():
        raise ValueError(f"it compares other features than the {features} that there are")
    return Forest(
        roots=torch.from_numpy(numbers[:, 0].copy()),
        left=children[0],
        right=children[1],
        feature=torch.from_numpy(compared[used].astype(np.int32)),
        threshold=torch.from_numpy(threshold[used].astype(np.float64)),
        value=torch.from_numpy(value[used].astype(np.float64)),
    )
