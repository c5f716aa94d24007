"""NRQM, or Ma's score: a no-reference metric learned from human ratings of super-resolved pictures.

Three random forests predict a score from one kind of features each, and a linear function combines them. Higher is
better; about 0 to 10.

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
"""Number of features of each kind, in the order of the file's forests."""


class NRQM(nn.Module):
    """NRQM with its parameters.

    Args:
        local: The forest of the 18 block features.
        bands: The forest of the 45 features of the steerable pyramid.
        spatial: The forest of the 75 singular values.
        linear: 4, float64: the intercept, and the weight of each forest.
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
        """Score pictures one by one, on the CPU, in float64.

        Args:
            pictures: N x 3 x H x W, float32, RGB, range [0, 1], which are rounded to 8 bits and converted to gray; or
                N x 1 x H x W, gray.

        Returns:
            N scores, float32, without a gradient.

        Raises:
            PictureError: A picture is too small (84 x 84 pixels are enough) or flat.
        """
        levels = gray_levels(pictures.detach()).cpu()
        return torch.stack([self._score(picture[0].double()) for picture in levels]).to(pictures)

    def _score(self, levels: Tensor) -> Tensor:
        features = nrqm_features(levels)
        forests = (self.local, self.bands, self.spatial)
        scores = [forest(kind[None])[0] for forest, kind in zip(forests, features, strict=True)]
        return self.linear[0] + self.linear[1:] @ torch.stack(scores)


def load_nrqm(path: Path) -> NRQM:
    """Load the official `model.mat`: a struct `model` with a cell `rf` of three forests, and 4 numbers `linear`.

    Args:
        path: The file, a MAT-file of version 4 to 7.2.

    Returns:
        The metric, in evaluation mode.

    Raises:
        ModelError: The file is missing, damaged, of version 7.3, or not the model of NRQM.
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


def _read(path: Path) -> Any:  # noqa: ANN401  a MATLAB struct has any fields
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
    except Exception as error:  # SciPy raises all kinds of errors on damaged files
        raise ModelError(f"{path}: this MAT-file is damaged, or not one: {error}") from error
