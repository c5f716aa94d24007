"""Figures for papers: a row of crops, one a method, with scores."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from aimanga.atomic import replacing
from aimanga.benchmark.crops import crop_all, load_pictures, most_different_crop
from aimanga.benchmark.recipe import Figure
from aimanga.errors import UsageError
from aimanga.evaluate import Case, PictureCases
from aimanga.evaluate.comparison import SetResult
from aimanga.images import Box, Samples

_SIDE = 160
# Of a column, in inches: five fit the text of most papers.
_COLUMN = 1.4


def write_figures(
    figures: Sequence[Figure], sets: Mapping[str, SetResult], sources: Mapping[str, PictureCases], folder: Path
) -> tuple[Path, ...]:
    """Draw figures.

    Args:
        figures: What to draw.
        sets: Results, by the names of the sets.
        sources: The pictures of the sets.
        folder: The folder for `SET-PICTURE.png` and `.pdf`.

    Returns:
        The files.

    Raises:
        UsageError: A box is not within its picture.
    """
    written: list[Path] = []
    for figure in figures:
        folder.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^\w.-]+", "_", f"{figure.set}-{figure.picture}")
        case = next(case for case in sources[figure.set].cases if case.name == figure.picture)
        written += _draw(figure, sets[figure.set], case, folder / name)
    return tuple(written)


def _draw(figure: Figure, found: SetResult, case: Case, stem: Path) -> list[Path]:
    from matplotlib.figure import Figure as Canvas  # an extra, and slow to import
    from matplotlib.patches import Rectangle

    results = found.files_of(case.name)
    if not results:
        return []
    pictures = load_pictures(case, results)
    first = pictures[next(iter(results))]
    scale = first.shape[0] // pictures["LR"].shape[0]
    box = _box_of(figure, [pictures[name] for name in results], scale)
    crops = crop_all(pictures, box, scale)
    # The whole picture, with the place of the crops, and then the crops.
    whole = pictures.get("HR", first)
    shapes = [whole.shape[1] / whole.shape[0], *(box.width / box.height for _ in crops)]
    height = _COLUMN * box.height / box.width
    canvas = Canvas(figsize=(height * sum(shapes), height + 0.55), layout="constrained")
    axes = canvas.subplots(1, len(shapes), width_ratios=shapes)
    axes[0].imshow(whole, interpolation="antialiased")
    axes[0].add_patch(
        Rectangle((box.left, box.top), box.width, box.height, fill=False, edgecolor="#e8402a", linewidth=1)
    )
    axes[0].set_xlabel(figure.picture, fontsize=7)
    for axis, (name, pixels) in zip(axes[1:], crops.items(), strict=True):
        # Pixels as they are: a smooth enlargement would be another method.
        axis.imshow(pixels, interpolation="nearest")
        axis.set_xlabel(_caption(name, figure, found, case.name), fontsize=7)
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
    files = []
    for suffix, metadata in ((".png", {"Software": None}), (".pdf", {"CreationDate": None})):
        path = stem.with_name(stem.name + suffix)
        with replacing(path) as part:
            canvas.savefig(part, format=suffix[1:], dpi=300, metadata=metadata, bbox_inches="tight", pad_inches=0.03)
        files.append(path)
    return files


def _box_of(figure: Figure, results: Sequence[Samples], scale: int) -> Box:
    if figure.box is None:
        return most_different_crop(results, _SIDE, _SIDE, scale)
    left, top, width, height = figure.box
    rows, columns = results[0].shape[:2]
    if left + width > columns or top + height > rows:
        raise UsageError(
            f"figure of {figure.set}, {figure.picture}: the box {', '.join(map(str, figure.box))} is not within "
            f"{columns} x {rows}"
        )
    return Box(left // scale * scale, top // scale * scale, -(-width // scale) * scale, -(-height // scale) * scale)


def _caption(name: str, figure: Figure, found: SetResult, case: str) -> str:
    if name not in found.methods:
        return name
    values = found.methods[name].scores_of(case)
    titles = {metric.name: metric.title for metric in found.metrics}
    lines = [f"{titles[key]} {values[key]:.3f}" for key in figure.metrics if key in values]
    return "\n".join([name, *lines])
