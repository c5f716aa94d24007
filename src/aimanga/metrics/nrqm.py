"""NRQM, or Ma's score: a no-reference metric learned from what people said of super-resolved pictures.

Three random forests each predict the score of one kind of features, and a linear function joins them. Higher is
better, about 0 to 10.

Source: C. Ma, C.-Y. Yang, X. Yang, M.-H. Yang, "Learning a no-reference quality metric for single-image
super-resolution", CVIU 158, 2017, doi:10.1016/j.cviu.2016.12.009, arXiv:1612.05890; official code and model:
https://github.com/chaoma99/sr-metric (MIT).
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aimanga.errors import ModelError
from aimanga.metrics.forest import COLUMNS, Forest, forest_from_columns
from aimanga.metrics.levels import gray_levels
from aimanga.metrics.nrqm_features import nrqm_features

_FEATURES = {"local": 18, "bands": 45, "spatial": 75}
"""How many features of each kind there are, in the order of the file's forests."""


class NRQM(nn.Module):
    """The metric.

    Args:
        local: The forest of the block features, 18.
        bands: The forest of the global features, 45.
        spatial: The forest of the singular values, 75.
        linear: 4, float64: the constant, and the weight of each forest.
    """

    linear: Tensor

    def __init__(self, local: Forest, bands: Forest, spatial: Forest, linear: Tensor) -> None:
        super().__init__()
        self.local = local
        self.bands = bands
        self.spatial = spatial
        self.register_buffer("linear", linear)

    @torch.no_grad()
    def forward(self, pictures: Tensor) -> Tensor:
        """Score pictures, one after another, on the CPU, in float64.

        Args:
            pictures: N x 3 x H x W, float32, RGB, range [0, 1], taken to the nearest of 256 levels and then to gray
                ones; or N x 1 x H x W, gray, taken as it is.

        Returns:
            N, float32; no gradient.

        Raises:
            PictureError: A picture is too small, 84 x 84 being enough, or of one level throughout.
        """
        levels = gray_levels(pictures.detach()).cpu()
        return torch.stack([self._score(picture[0].double()) for picture in levels]).to(pictures)

    def _score(self, levels: Tensor) -> Tensor:
        features = nrqm_features(levels)
        forests = (self.local, self.bands, self.spatial)
        scores = [forest(kind[None])[0] for forest, kind in zip(forests, features, strict=True)]
        return self.linear[0] + self.linear[1:] @ torch.stack(scores)


def load_nrqm(path: Path) -> NRQM:
    """Read the official `model.mat`: a struct `model` of a cell `rf` of three forests, and `linear`, 4 numbers.

    Args:
        path: The file, a MAT-file of version 4 to 7.2.

    Returns:
        The metric, in evaluation mode.

    Raises:
        ModelError: The file is missing, damaged, of version 7.3, or not that of NRQM.
    """
    model = _read(path)
    try:
        stored = [forest[0, 0] for forest in model["rf"][0, 0].ravel()]
        linear = np.asarray(model["linear"][0, 0], np.float64).ravel()
    except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{path}: this is not the model of NRQM: its struct has no fields rf and linear") from error
    if len(stored) != len(_FEATURES) or len(linear) != 1 + len(_FEATURES) or not np.isfinite(linear).all():
        raise ModelError(
            f"{path}: this is not the model of NRQM: {len(stored)} forests and {len(linear)} coefficients, not 3 and 4"
        )
    forests = {}
    for (kind, features), forest in zip(_FEATURES.items(), stored, strict=True):
        missing = [name for name in COLUMNS if name not in (forest.dtype.names or ())]
        if missing:
            raise ModelError(f"{path}: this is not the model of NRQM: a forest without {', '.join(missing)}")
        try:
            forests[kind] = forest_from_columns({name: forest[name] for name in COLUMNS}, features)
        except (TypeError, ValueError) as error:
            raise ModelError(f"{path}: the forest of the {kind} features is damaged: {error}") from error
    return NRQM(**forests, linear=torch.from_numpy(linear)).eval()


def _read(path: Path) -> Any:  # noqa: ANN401 -- a MATLAB struct is an array of whatever fields it has
    """The struct `model` of a MAT-file."""
    if not path.is_file():
        raise ModelError(f"{path}: there is no such weight file")
    from scipy.io import loadmat

    try:
        return loadmat(path, variable_names=["model"])["model"]
    except NotImplementedError as error:
        raise ModelError(
            f"{path}: a MAT-file of version 7.3; save it again in MATLAB with save('model.mat', 'model', '-v7')"
        ) from error
    except KeyError as error:
        raise ModelError(f"{path}: this is not the model of NRQM: no variable called model") from error
    except Exception as error:  # on damaged files SciPy raises whatever its reader stumbles over
        raise ModelError(f"{path}: this MAT-file is damaged, or none at all: {error}") from error
