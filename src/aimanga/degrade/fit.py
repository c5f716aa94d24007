"""Fit a recipe to real pictures of low quality: search the one whose LR pictures are damaged like them."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from aimanga.batch import Paths, as_paths, find
from aimanga.config import write_toml
from aimanga.degrade.features import damage_features, distance
from aimanga.degrade.marginals import plot_marginals
from aimanga.degrade.options import FitOptions, PreviewOptions
from aimanga.degrade.pipeline import degrade
from aimanga.degrade.preview import preview_sheet
from aimanga.degrade.recipe import Recipe, load_degradation
from aimanga.degrade.search import SearchSpace
from aimanga.degrade.steps import draw
from aimanga.errors import AimangaError, PictureError, UsageError
from aimanga.images import READABLE_SUFFIXES, read, rgb, write
from aimanga.options import with_options
from aimanga.tensors import from_array, gray
from aimanga.text import listed

PATCH = 64
"""Side of the patches whose features are compared, in LR pixels."""

_HELD_OUT = 3  # every third picture is held out
_FEWEST = 6  # pictures of each kind: four for the search, two held out
_POOL = 4  # times the samples of a trial: patches to choose from
_CHOSEN = 6  # the best recipes, which are compared again with more patches and other draws
_START_TRIALS = 30  # random ones, before the model of the search is of use


@dataclass(frozen=True, eq=False)
class Fit:
    """The result of a fit. Distances and features are those of held-out pictures.

    Attributes:
        recipe: The fitted recipe.
        before: Distance of the first recipe's LR pictures from the real ones.
        after: Distance of those of `recipe`.
        floor: Distance between the real pictures of the search and the held-out ones.
        features: Of the real pictures, and of those degraded by the first recipe and by `recipe`: N x 42 each.
        pictures: Number of pictures of good quality, and of real ones.
        example: One of the pictures of good quality.
        skipped: Why pictures were not used, a line each.
    """

    recipe: Recipe
    before: float
    after: float
    floor: float
    features: tuple[Tensor, Tensor, Tensor]
    pictures: tuple[int, int]
    example: Path
    skipped: tuple[str, ...]


@with_options
def fit_recipe(
    hq: Paths,
    real: Paths,
    output: str | Path | None = None,
    options: FitOptions = FitOptions(),
    *,
    on_trial: Callable[[int, float], None] = lambda trial, best: None,
) -> Fit:
    """Fit a recipe to real pictures: `fit_recipe("good-photos", "bad-photos", "mine.toml")`.

    Patches of the good pictures are degraded by recipes that Optuna's Gaussian process proposes; the distance of their
    features from those of patches of the real pictures is minimized. Each real patch is compared with the good one of
    the most similar content (light, contrast and colour, four times smaller, where damage hardly shows): otherwise the
    recipe would learn that the real pictures show cats. A third of the pictures of either kind is held out to measure
    the result.

    Args:
        hq: Pictures of good quality: files and folders.
        real: Real pictures of low quality, before they are upscaled.
        output: The recipe's file, ending in .toml; plots of the features, NAME.marginals.png, and a contact sheet,
            NAME.preview.png, are written beside it. None writes nothing.
        options: How; each option can also be given as a keyword.
        on_trial: Called after each trial with its number, from 1, and the smallest distance so far.

    Returns:
        The recipe, and how good it is. The same seed gives the same recipe on one machine.

    Raises:
        UsageError: There are too few pictures, or the request is impossible; nothing was written.
    """
    output = None if output is None else Path(output)
    _check_writable(output)
    recipe = load_degradation(options.recipe)
    skipped: list[str] = []
    high = _patches(hq, PATCH * recipe.scale, options, skipped)
    low = _patches(real, PATCH, options, skipped)
    wanted, wanted_held = damage_features(low.search), damage_features(low.held)
    matches = _matches(high.search, low.search)
    samples = options.samples

    def gap(candidate: Recipe, places: Tensor, first_seed: int) -> float:
        return distance(_features(high.search[places], candidate, first_seed), wanted)

    space = SearchSpace(recipe)
    tried = _search(space, lambda numbers: gap(space.recipe(numbers), matches[:samples], 0), options, on_trial)
    # The smallest distances are partly luck of their draws.
    found = min(
        (space.recipe(numbers) for numbers in tried[:_CHOSEN]),
        key=lambda candidate: gap(candidate, matches[-2 * samples :], samples),
    )
    held = high.held[_matches(high.held, low.held)[: 2 * samples]]
    before, after = (_features(held, r, 3 * samples) for r in (recipe, found))
    searched = len(low.pictures) - len(low.pictures[::_HELD_OUT])
    result = Fit(
        found.replaced(description=f"Fitted by aimanga degrade fit to {searched} real pictures."),
        distance(before, wanted_held),
        distance(after, wanted_held),
        distance(wanted, wanted_held),
        (wanted_held, before, after),
        (len(high.pictures), len(low.pictures)),
        high.pictures[1],
        tuple(skipped),
    )
    if output is not None:
        _write(result, output, options)
    return result


def _check_writable(output: Path | None) -> None:
    """Find out before the long work whether the results can be written."""
    if output is not None and (output.suffix != ".toml" or output.is_dir()):
        raise UsageError(f"{output}: a recipe is a .toml file")
    if output is not None and not output.parent.is_dir():
        raise UsageError(f"{output.parent}: there is no such folder")
    missing = [name for name in ("optuna", "matplotlib") if find_spec(name) is None]
    if missing:
        raise UsageError(f"fitting needs {' and '.join(missing)}: pip install 'aimanga[fit]'")


def _write(result: Fit, output: Path, options: FitOptions) -> None:
    start = "RECIPE" if isinstance(options.recipe, Recipe) else options.recipe
    head = (
        f"Made by: aimanga degrade fit --recipe {start} --trials {options.trials} --samples {options.samples} "
        f"--seed {options.seed}\n"
        f"{result.pictures[0]} pictures of good quality, {result.pictures[1]} real ones; distances of held-out ones:\n"
        f"{result.before:.4f} before, {result.after:.4f} after; {result.floor:.4f} between the two parts of the real"
    )
    write_toml(result.recipe, output, head)
    names = ("real pictures", f"before: {result.before:.3f}", f"after: {result.after:.3f}")
    plot_marginals(dict(zip(names, result.features, strict=True)), output.with_suffix(".marginals.png"))
    example = read(result.example, first_page=True)
    sheet = preview_sheet(example, result.example.stem, PreviewOptions(recipe=result.recipe))
    write(sheet, output.with_suffix(".preview.png"))


class _Patches(NamedTuple):
    """Patches of the pictures of the search and of the held-out ones, N x 3 x side x side each; all pictures."""

    search: Tensor
    held: Tensor
    pictures: list[Path]


def _patches(inputs: Paths, side: int, options: FitOptions, skipped: list[str]) -> _Patches:
    """Cut random patches, equally many of each picture."""
    given = as_paths(inputs)
    files = find(given, suffixes=READABLE_SUFFIXES, recursive=options.recursive)
    generator = Generator().manual_seed(options.seed)
    count = _POOL * options.samples
    order = torch.randperm(len(files), generator=generator).tolist()[:count]
    each = math.ceil(count / len(order))
    pictures: list[Path] = []
    patches: list[Tensor] = []
    for path in (files[place] for place in order):
        try:
            pixels = rgb(read(path, first_page=True)).pixels
            if min(pixels.shape[:2]) < side:
                raise PictureError(f"{path}: {pixels.shape[1]} x {pixels.shape[0]} is smaller than {side} x {side}")
        except (AimangaError, OSError) as error:
            skipped.append(str(error))
            continue
        places = [torch.randint(0, n - side + 1, (each,), generator=generator).tolist() for n in pixels.shape[:2]]
        corners = zip(*places, strict=True)
        patches.append(torch.cat([from_array(pixels[top : top + side, left : left + side]) for top, left in corners]))
        pictures.append(path)
    if len(pictures) < _FEWEST:
        why = listed(skipped, 3, "; ") or "--recursive enters subfolders"
        raise UsageError(f"{listed(given)}: {len(pictures)} usable pictures, and at least {_FEWEST} are needed; {why}")
    # One patch of each picture first: the first few patches are those of all pictures.
    search, held = (
        torch.stack([part for place, part in enumerate(patches) if (place % _HELD_OUT == 0) == wanted], 1).flatten(0, 1)
        for wanted in (False, True)
    )
    return _Patches(search, held, pictures)


def _matches(high: Tensor, low: Tensor) -> Tensor:
    """For each LR patch, in random order, the index of the HR patch of the most similar content."""
    contents, wanted = _content(high), _content(low)
    spread = wanted.std(0).clamp(min=1e-3)
    order = torch.randperm(len(low), generator=Generator().manual_seed(0))
    return torch.cdist(wanted[order] / spread, contents / spread).argmin(1)


def _content(patches: Tensor) -> Tensor:
    """The content of a patch in four numbers of 16 x 16 means: light, contrast, steps between neighbours, colour."""
    small = F.adaptive_avg_pool2d(patches, PATCH // 4)
    light = gray(small)
    colour = torch.cat([small[:, 2:] - light, small[:, :1] - light], 1)
    steps = light.diff(dim=2).abs().mean((1, 2, 3)) + light.diff(dim=3).abs().mean((1, 2, 3))
    contrast, colours = light.std((1, 2, 3)), colour.std((2, 3)).mean(1)
    # Logarithms, floored at one level of 255.
    return torch.stack([light.mean((1, 2, 3)), *((x + 1 / 255).log() for x in (contrast, steps, colours))], 1)


def _features(patches: Tensor, recipe: Recipe, first_seed: int) -> Tensor:
    """The damage features of HR patches after a recipe; the n-th patch is drawn with the n-th seed."""
    height, width = patches.shape[2:]
    return damage_features(degrade(patches, [draw(recipe, height, width, first_seed + n) for n in range(len(patches))]))


def _search(
    space: SearchSpace,
    gap: Callable[[Sequence[float]], float],
    options: FitOptions,
    on_trial: Callable[[int, float], None],
) -> list[list[float]]:
    """The points that were tried, the smallest gap first."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        startup = min(_START_TRIALS, options.trials // 3)
        sampler = optuna.samplers.GPSampler(seed=options.seed, n_startup_trials=startup)
    study = optuna.create_study(sampler=sampler)
    study.enqueue_trial(dict(zip(space.names, space.start, strict=True)))
    study.optimize(
        lambda trial: gap([trial.suggest_float(name, 0, 1) for name in space.names]),
        n_trials=options.trials,
        callbacks=[lambda study, trial: on_trial(trial.number + 1, study.best_value)],
    )
    ended = sorted((trial for trial in study.trials if trial.value is not None), key=lambda trial: trial.value or 0.0)
    return [[trial.params[name] for name in space.names] for trial in ended]
