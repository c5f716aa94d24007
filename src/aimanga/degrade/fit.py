"""Fit a recipe to real pictures of low quality: search the one whose results are damaged as they are."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from aimanga.batch import find
from aimanga.config import write_toml
from aimanga.degrade.features import damage_features, distance
from aimanga.degrade.marginals import plot_marginals
from aimanga.degrade.pairs import PairOptions
from aimanga.degrade.pipeline import degrade
from aimanga.degrade.preview import preview
from aimanga.degrade.recipe import Recipe, load_recipe
from aimanga.degrade.search import SearchSpace
from aimanga.degrade.steps import draw
from aimanga.errors import AimangaError, PictureError, UsageError
from aimanga.images import READABLE_SUFFIXES, read, rgb, write
from aimanga.tensors import from_array, gray

PATCH = 64
"""Side of the squares whose features are compared, in pixels of low resolution."""

_HELD_OUT = 3  # every third picture takes no part in the search
_FEWEST = 6  # pictures of each kind: four to search with, two to judge with
_POOL = 4  # times the samples of a trial: squares to choose from
_CHOSEN = 6  # of the best recipes, which are compared again with more squares and other draws
_START_TRIALS = 30  # spread over the whole space before the model of it is of use


@dataclass(frozen=True, eq=False)
class Fit:
    """What came of a fit.

    Attributes:
        recipe: The recipe.
        before: Distance of what the first recipe makes from the real pictures; of held-out ones, like all that follows.
        after: Distance of what `recipe` makes.
        floor: Distance of the real pictures that took part in the search from the held-out ones.
        features: Of the real pictures, of those degraded by the first recipe, and by the found one: N x 42 each.
        pictures: How many of good quality, and how many real ones, there were.
        example: One of the pictures of good quality.
        left_out: Why pictures were not used, a line each.
    """

    recipe: Recipe
    before: float
    after: float
    floor: float
    features: tuple[Tensor, Tensor, Tensor]
    pictures: tuple[int, int]
    example: Path
    left_out: tuple[str, ...]


def fit(
    hq: str | Path | Sequence[str | Path],
    real: str | Path | Sequence[str | Path],
    *,
    start: str | Path | Recipe = "realesrgan",
    trials: int = 150,
    samples: int = 192,
    seed: int = 0,
    recursive: bool = False,
    tell: Callable[[int, float], None] = lambda trial, best: None,
) -> Fit:
    """Search the recipe that damages pictures of good quality as some real pictures are damaged.

    Squares of the good pictures are degraded by recipes that Optuna's Gaussian process proposes, and the distance of
    their features from those of squares of the real pictures is made small. To each square of a real picture belongs
    the good one that is most alike in what damage hardly touches (light, contrast and colour, four times smaller):
    otherwise the recipe would learn that the real pictures show cats. A third of the pictures of either kind takes no
    part in the search; with it the result is judged.

    Args:
        hq: Pictures of good quality: files and folders.
        real: Real pictures of low quality, of a size at which they are to be made larger.
        start: The recipe to begin with; the result has its parts, with other ranges and probabilities.
        trials: How many recipes to try.
        samples: Squares to degrade for each; with few of them the search finds what suits their draws.
        seed: The same seed gives the same recipe on one machine.
        recursive: Enter subfolders.
        tell: Told after each trial how many there were, and the smallest distance so far.

    Returns:
        The recipe, and how good it is.

    Raises:
        UsageError: There are too few pictures, or the request is impossible.
    """
    if trials < 1 or samples < 2:
        raise UsageError(f"{trials} trials of {samples} samples: at least 1 trial of 2 samples is needed")
    recipe = load_recipe(start) if isinstance(start, str | Path) else start
    left_out: list[str] = []
    high, high_held = _squares(hq, PATCH * recipe.scale, _POOL * samples, seed, recursive, left_out)
    low, low_held = _squares(real, PATCH, _POOL * samples, seed, recursive, left_out)
    wanted, judged = damage_features(low.squares), damage_features(low_held.squares)
    alike = _alike(high.squares, low.squares)

    def gap(candidate: Recipe, places: Tensor, first_seed: int) -> float:
        return distance(_features(high.squares[places], candidate, first_seed), wanted)

    space = SearchSpace(recipe)
    tried = _search(space, lambda numbers: gap(space.recipe(numbers), alike[:samples], 0), trials, seed, tell)
    # The smallest distances owe something to the draws with which they were found.
    found = min(
        (space.recipe(numbers) for numbers in tried[:_CHOSEN]),
        key=lambda candidate: gap(candidate, alike[-2 * samples :], samples),
    )
    title = f"Fitted by aimanga degrade fit to {len(low.pictures)} real pictures."
    held = high_held.squares[_alike(high_held.squares, low_held.squares)[: 2 * samples]]
    before, after = (_features(held, r, 3 * samples) for r in (recipe, found))
    return Fit(
        found.replaced(description=title),
        distance(before, judged),
        distance(after, judged),
        distance(wanted, judged),
        (judged, before, after),
        (len(high.pictures) + len(high_held.pictures), len(low.pictures) + len(low_held.pictures)),
        high.pictures[0],
        tuple(left_out),
    )


def check_writable(path: Path) -> None:
    """Find out before the long work whether `write_fit` will be able to write.

    Raises:
        UsageError: The path is none for a recipe, or what is needed is not installed.
    """
    if path.suffix != ".toml" or path.is_dir():
        raise UsageError(f"{path}: a recipe is a .toml file")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent}: there is no such folder")
    missing = [name for name in ("optuna", "matplotlib") if find_spec(name) is None]
    if missing:
        raise UsageError(f"fitting needs {' and '.join(missing)}: pip install 'aimanga[fit]'")


def write_fit(result: Fit, path: Path, comment: str = "") -> tuple[Path, Path]:
    """Write a fitted recipe, and beside it what there is to look at.

    Args:
        result: What `fit` has found.
        path: The recipe's file, ending in .toml.
        comment: How it came about, for the recipe's head.

    Returns:
        The plots of the features, RECIPE.marginals.png, and the contact sheet, RECIPE.preview.png.
    """
    lines = [
        comment,
        f"{result.pictures[0]} pictures of good quality, {result.pictures[1]} real ones; distances of held-out ones:",
        f"{result.before:.4f} before, {result.after:.4f} after; {result.floor:.4f} between the two parts of the real",
    ]
    write_toml(result.recipe, path, "\n".join(line for line in lines if line))
    plots, sheet = path.with_suffix(".marginals.png"), path.with_suffix(".preview.png")
    names = ("real pictures", f"before: {result.before:.3f}", f"after: {result.after:.3f}")
    plot_marginals(dict(zip(names, result.features, strict=True)), plots)
    example = result.example
    write(preview(read(example, first_page=True), PairOptions(result.recipe), name=example.stem), sheet)
    return plots, sheet


@dataclass(frozen=True, eq=False)
class _Squares:
    """Squares of some pictures: N x 3 x side x side, as many of each picture, mixed."""

    squares: Tensor
    pictures: list[Path]


def _squares(
    inputs: str | Path | Sequence[str | Path],
    side: int,
    count: int,
    seed: int,
    recursive: bool,
    left_out: list[str],
) -> tuple[_Squares, _Squares]:
    """Squares of two thirds of the pictures, and of the other third; about `count` in all."""
    given = [Path(path) for path in ([inputs] if isinstance(inputs, str | Path) else inputs)]
    files = find(given, suffixes=READABLE_SUFFIXES, recursive=recursive)
    generator = Generator().manual_seed(seed)
    order = torch.randperm(len(files), generator=generator).tolist()[:count]
    each = math.ceil(count / len(order))
    cut: list[tuple[Path, Tensor]] = []
    for path in (files[place] for place in order):
        try:
            pixels = rgb(read(path, first_page=True)).pixels
            if min(pixels.shape[:2]) < side:
                raise PictureError(f"{path}: {pixels.shape[1]} x {pixels.shape[0]} is smaller than {side} x {side}")
        except (AimangaError, OSError) as error:
            left_out.append(str(error))
            continue
        places = [torch.randint(0, n - side + 1, (each,), generator=generator).tolist() for n in pixels.shape[:2]]
        squares = [from_array(pixels[y : y + side, x : x + side]) for y, x in zip(*places, strict=True)]
        cut.append((path, torch.cat(squares)))
    if len(cut) < _FEWEST:
        raise UsageError(
            f"{', '.join(map(str, given))}: {len(cut)} usable pictures, and {_FEWEST} are the least; "
            f"{'; '.join(left_out[:3]) or '--recursive enters subfolders'}"
        )
    held = cut[::_HELD_OUT]
    searched = [entry for place, entry in enumerate(cut) if place % _HELD_OUT]
    # One square of each picture first: who takes the first few takes all pictures.
    first, second = (
        _Squares(torch.stack([squares for _, squares in part], 1).flatten(0, 1), [path for path, _ in part])
        for part in (searched, held)
    )
    return first, second


def _alike(high: Tensor, low: Tensor) -> Tensor:
    """For each square of low resolution, in some order, the place of the one of high resolution that is most alike."""
    seen, wanted = _content(high), _content(low)
    spread = wanted.std(0).clamp(min=1e-3)
    order = torch.randperm(len(low), generator=Generator().manual_seed(0))
    return torch.cdist(wanted[order] / spread, seen / spread).argmin(1)


def _content(squares: Tensor) -> Tensor:
    """What a square shows, in four numbers of 16 x 16 means: light, contrast, steps between neighbours, colour."""
    small = F.adaptive_avg_pool2d(squares, PATCH // 4)
    light = gray(small)
    colour = torch.cat([small[:, 2:] - light, small[:, :1] - light], 1)
    steps = light.diff(dim=2).abs().mean((1, 2, 3)) + light.diff(dim=3).abs().mean((1, 2, 3))
    contrast, colours = light.std((1, 2, 3)), colour.std((2, 3)).mean(1)
    # Logarithms, of levels of which those below one of 255 are all the same.
    return torch.stack([light.mean((1, 2, 3)), *((x + 1 / 255).log() for x in (contrast, steps, colours))], 1)


def _features(squares: Tensor, recipe: Recipe, first_seed: int) -> Tensor:
    """What damages squares of high resolution show after a recipe; the n-th is drawn with the n-th seed."""
    height, width = squares.shape[2:]
    samples = [draw(recipe, height, width, first_seed + n) for n in range(len(squares))]
    return damage_features(degrade(squares, samples))


def _search(
    space: SearchSpace,
    gap: Callable[[Sequence[float]], float],
    trials: int,
    seed: int,
    tell: Callable[[int, float], None],
) -> list[list[float]]:
    """The numbers that were tried, those with the smallest gap first."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.GPSampler(seed=seed, n_startup_trials=min(_START_TRIALS, trials // 3))
    study = optuna.create_study(sampler=sampler)
    study.enqueue_trial(dict(zip(space.names, space.start, strict=True)))
    study.optimize(
        lambda trial: gap([trial.suggest_float(name, 0, 1) for name in space.names]),
        n_trials=trials,
        callbacks=[lambda study, trial: tell(trial.number + 1, study.best_value)],
    )
    ended = sorted((trial for trial in study.trials if trial.value is not None), key=lambda trial: trial.value or 0.0)
    return [[trial.params[name] for name in space.names] for trial in ended]
