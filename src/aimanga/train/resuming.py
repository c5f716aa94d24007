"""Whether a run's folder is fit to begin in, or to go on in."""

from collections.abc import Mapping
from pathlib import Path

from aimanga.config import load
from aimanga.errors import UsageError
from aimanga.train.recipe import TrainRecipe
from aimanga.train.run import RECIPE
from aimanga.train.states import States

# What can change when a training is gone on with: it does not alter what the next iterations compute, or only how.
_FREE = (
    "description", "license", "compute", "saving", "logging", "validation",
    "train.iterations", "train.hours", "train.accumulate",
    "data.sources", "data.readers", "data.problems", "data.max_pixels",
)  # fmt: skip


def check_folder(folder: Path, states: States, recipe: TrainRecipe, *, resume: bool) -> None:
    """See that a new training finds no old one, and that one that is gone on with is the same."""
    saved = states.iterations()
    if not saved:
        return
    if not resume:
        raise UsageError(
            f"{folder}: a training is there, at iteration {saved[0]}; --resume goes on, another folder begins anew"
        )
    before = load(TrainRecipe, folder / RECIPE)
    free = _FREE if recipe.train.schedule != "cosine" else tuple(key for key in _FREE if key != "train.iterations")
    now, then = _flat(recipe.model_dump(mode="json")), _flat(before.model_dump(mode="json"))
    changed = [
        f"{key} ({then.get(key)} before, {now.get(key)} now)"
        for key in sorted(now.keys() | then.keys())
        if now.get(key) != then.get(key) and not any(key == name or key.startswith(f"{name}.") for name in free)
    ]
    if changed:
        raise UsageError(
            f"{folder}: the training there was begun otherwise: {', '.join(changed)}; another folder begins anew"
        )


def _flat(table: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested tables as dotted keys."""
    found: dict[str, object] = {}
    for key, value in table.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found
