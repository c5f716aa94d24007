"""Check whether a training can start in a folder, or resume there."""

from collections.abc import Mapping
from pathlib import Path

from aimanga.config import load
from aimanga.errors import UsageError
from aimanga.train.reading import RECIPE
from aimanga.train.recipe import Rates, TrainRecipe
from aimanga.train.states import States

# What may change on resuming: where and how it runs, how long, and how fast it learns.
_FREE = (
    "description", "license", "compute", "saving", "logging", "validation",
    "train.iterations", "train.hours", "train.accumulate",
    *(f"train.{name}" for name in Rates.model_fields), "discriminator.rates",
    "data.sources", "data.workers", "data.problems", "data.max_pixels",
)  # fmt: skip


def check_folder(folder: Path, states: States, recipe: TrainRecipe, *, resume: bool) -> None:
    """Check that a new training does not overwrite another, and that a resumed one has the same recipe.

    Raises:
        UsageError: It does, or has not; the message names what differs.
    """
    saved = states.iterations()
    if not saved:
        return
    if not resume:
        raise UsageError(
            f"{folder} holds a training at iteration {saved[0]}; resume it with --resume, or choose another folder"
        )
    before = load(TrainRecipe, folder / RECIPE)
    now, then = _flat(recipe.model_dump(mode="json")), _flat(before.model_dump(mode="json"))
    changed = [
        f"{key} ({then.get(key)} before, {now.get(key)} now)"
        for key in sorted(now.keys() | then.keys())
        if now.get(key) != then.get(key) and not any(key == name or key.startswith(f"{name}.") for name in _FREE)
    ]
    if changed:
        raise UsageError(
            f"{folder}: the training there has another recipe: {', '.join(changed)}; choose another folder"
        )


def _flat(table: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Flatten nested tables to dotted keys."""
    found: dict[str, object] = {}
    for key, value in table.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found
