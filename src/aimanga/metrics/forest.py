"""Random forests for regression, as arrays: every tree takes its step for every sample at the same time.

Source: L. Breiman, "Random forests", Machine Learning 45, 2001, doi:10.1023/A:1010933404324; the arrays are those that
the MATLAB port of R's randomForest stores.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

_LEAF, _SPLIT, _UNUSED = -1, -3, 0

COLUMNS = ("lDau", "rDau", "nodestatus", "mbest", "upper", "avnode")
"""The arrays of a stored forest, nodes x trees each, by which `forest_from_columns` makes one."""


class Forest(nn.Module):
    """The mean over trees of the value at the leaf that a sample comes to.

    The nodes of all trees stand in one row. A leaf is its own child on both sides, so a sample that has arrived stays.

    Args:
        roots: trees, int64: where each begins.
        left: nodes, int32: where a sample goes whose feature is at most the threshold. A child stands behind its
            parent.
        right: Likewise, where all other samples go.
        feature: nodes, int32: which feature a node looks at.
        threshold: nodes, float64.
        value: nodes, float64; only those of leaves are read.
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
        """Predict.

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
    """Make a forest of stored arrays, in which each column is a tree and its first node the root.

    Args:
        columns: By the names of `COLUMNS`: left and right child, counted from 1; -1 for a leaf, -3 for a split and 0
            for a place that is not used; the feature, counted from 1; the threshold; the value.
        features: How many features a sample has.

    Returns:
        The forest; places that are not used take no memory.

    Raises:
        ValueError: The arrays are not of one shape, or no trees over so many features.
    """
    # Row by row a tree, so that its nodes stand together.
    left, right, status, feature, threshold, value = (np.asarray(columns[name]).T for name in COLUMNS)
    if status.ndim != 2 or any(array.shape != status.shape for array in (left, right, feature, threshold, value)):
        raise ValueError("its arrays are not nodes x trees of one size")
    used = status != _UNUSED
    split = status == _SPLIT
    if not (split | (status == _LEAF) | ~used).all() or not used.size or not used[:, 0].all():
        raise ValueError("the states of its nodes are not those of trees")
    numbers = np.cumsum(used).reshape(used.shape) - 1
    trees, places = np.nonzero(split)
    children = []
    for side in (left, right):
        child = side[split].astype(np.int64) - 1
        # Behind the parent: so no tree can lead in a circle.
        if (child <= places).any() or (child >= used.shape[1]).any() or not used[trees, child].all():
            raise ValueError("a split of it leads to no node")
        own = numbers[used]
        own[numbers[split]] = numbers[trees, child]
        children.append(torch.from_numpy(own.astype(np.int32)))
    looked_at = np.where(split, feature, 1).astype(np.int64) - 1
    if (looked_at < 0).any() or (looked_at >= features).any():
        raise ValueError(f"it looks at other features than the {features} that there are")
    return Forest(
        roots=torch.from_numpy(numbers[:, 0].copy()),
        left=children[0],
        right=children[1],
        feature=torch.from_numpy(looked_at[used].astype(np.int32)),
        threshold=torch.from_numpy(threshold[used].astype(np.float64)),
        value=torch.from_numpy(value[used].astype(np.float64)),
    )
