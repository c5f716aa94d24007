"""Histograms of the features of real and degraded pictures."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from aimanga.atomic import replacing
from aimanga.degrade.features import FEATURES

_COLUMNS = 6
_COLOURS = ("black", "tab:orange", "tab:blue")


def plot_marginals(features: Mapping[str, Tensor], path: Path) -> None:
    """Draw a histogram of each feature, all sets in one, into a PNG file.

    Args:
        features: N x 42 each, by their names in the legend; the first is filled.
        path: The file; an existing one is replaced.
    """
    from matplotlib.figure import Figure

    rows = -(-len(FEATURES) // _COLUMNS)
    figure = Figure(figsize=(3 * _COLUMNS, 2 * rows + 0.6), dpi=80, layout="constrained")
    axes = figure.subplots(rows, _COLUMNS).flat
    for place, (axis, name) in enumerate(zip(axes, FEATURES, strict=False)):
        columns = [values[:, place].numpy() for values in features.values()]
        bounds = min(float(c.min()) for c in columns), max(float(c.max()) for c in columns)
        for number, (label, column) in enumerate(zip(features, columns, strict=True)):
            kind = "stepfilled" if number == 0 else "step"
            axis.hist(
                column, bins=40, range=bounds, density=True, histtype=kind, color=_COLOURS[number], label=label,
                alpha=0.3 if number == 0 else 1.0,
            )  # fmt: skip
        axis.set_title(name, fontsize=9)
        axis.set_yticks([])
        axis.tick_params(labelsize=7)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    with replacing(path) as part:
        figure.savefig(part, format="png")
