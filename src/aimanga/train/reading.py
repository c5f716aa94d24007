"""Read a training recipe: from a TOML file, with settings of the command line, and with absolute paths."""

import json
import os
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aimanga import weights
from aimanga.config import Key, explain, key_lines, place, read_toml, recipe_file
from aimanga.degrade.recipe import DEGRADATIONS
from aimanga.errors import UsageError
from aimanga.models import MODELS, PERCEPTUAL_NETWORKS
from aimanga.problems import Problems
from aimanga.train.contradictions import contradictions
from aimanga.train.recipe import TrainRecipe

RECIPE = "recipe.toml"
"""The recipe of a run, in its folder."""

TRAIN_RECIPES = ("aimanga", "aimanga-x4", "aimanga-x4-fast", "finetune-cpu", "psnr", "smoke")
"""The recipes that come with the package: `train-NAME.toml`."""

# Every path of a recipe; `*` is any element.
_PATHS: tuple[Key, ...] = (
    ("model", "start"), ("teacher",), ("discriminator", "start"), ("losses", "perceptual", "network"),
    ("stored", "folder"),
    ("data", "degradation"), ("validation", "pictures"), ("validation", "real"), ("data", "sources", "*", "path"),
    ("data", "sources", "*", "lr"),
)  # fmt: skip


@dataclass(frozen=True)
class RecipeFile:
    """A recipe and the places of its values.

    Attributes:
        path: The file.
        recipe: Its content, with absolute paths.
        lines: Line numbers of its keys, or "--set" for those that were set on the command line.
    """

    path: Path
    recipe: TrainRecipe
    lines: Mapping[Key, int | str]

    def where(self, *key: str | int) -> str:
        """The place of a value, for messages: `recipe.toml: line 12, losses.gan.weight`."""
        return f"{self.path}: {place(key, self.lines)}"


def load_train_recipe(recipe: str | Path, settings: Sequence[str] = (), data: Sequence[str | Path] = ()) -> RecipeFile:
    """Read a training recipe.

    Args:
        recipe: One of `TRAIN_RECIPES`, or a TOML file.
        settings: Values that replace those of the file: `train.lr=2e-4`, as in TOML; quotes around text can be left
            out. Paths among them are relative to the current folder, not to the recipe.
        data: Sources that replace the recipe's, likewise.

    Raises:
        UsageError: The file is missing or is no recipe, or a setting is malformed; the message names everything that is
            wrong, and the lines.
    """
    path = recipe_file("train", recipe, TRAIN_RECIPES)
    text, content = read_toml(path)
    lines: dict[Key, int | str] = dict(key_lines(text))
    if data:
        settings = [*settings, f"data.sources={json.dumps([{'path': str(source)} for source in data])}"]
    for setting in settings:
        key, value = _parsed(setting)
        _set(content, key, value, setting)
        for known in [known for known in lines if known[: len(key)] == key]:
            del lines[known]
        lines[key] = "--set"
    try:
        found = RecipeFile(path, TrainRecipe.model_validate(content), lines)
    except ValidationError as error:
        raise UsageError(f"{path}: {explain(error, lines)}") from error
    problems = Problems()
    for key, problem in contradictions(found.recipe):
        problems.add(f"{found.where(*key)}: {problem}")
    problems.refuse()
    return replace(found, recipe=_with_absolute_paths(found))


def recipe_of(recipe: str | Path | None, output: str | Path | None, *, resume: bool) -> str | Path:
    """The recipe of a training: the one that is named, or that of the run to resume.

    Raises:
        UsageError: Neither is named.
    """
    if recipe is not None:
        return recipe
    if output is None or not resume:
        raise UsageError("a recipe is needed, or --resume with --output")
    return Path(output) / RECIPE


def without_folders(recipe: TrainRecipe) -> TrainRecipe:
    """The recipe with only the last name of each path, which says nothing about a user's folders."""
    return _with_paths(recipe, lambda path, key: Path(path).name)


def _parsed(setting: str) -> tuple[Key, object]:
    """Split `train.lr=2e-4` into key and value."""
    name, equals, text = setting.partition("=")
    key: Key = tuple(int(part) if part.isdigit() else part for part in name.strip().split("."))
    if not equals or "" in key:
        raise UsageError(f"--set {setting}: a setting is a key and its value, such as train.lr=2e-4")
    try:
        return key, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        try:
            return key, json.loads(text)
        except ValueError:
            return key, text.strip()


def _set(content: dict[str, object], key: Key, value: object, setting: str) -> None:
    """Set a value in nested tables; missing tables are created."""
    table: Any = content
    try:
        for part in key[:-1]:
            # What is neither a table nor an array raises.
            table = table.setdefault(part, {}) if isinstance(table, dict) else table[part]
        table[key[-1]] = value
    except (TypeError, IndexError) as error:
        raise UsageError(f"--set {setting}: the recipe has no such place") from error


def _with_absolute_paths(file: RecipeFile) -> TrainRecipe:
    """The recipe with absolute paths, so that it can be copied elsewhere."""

    def absolute(path: str, key: Key) -> str:
        is_set = any(file.lines.get(key[:length]) == "--set" for length in range(1, len(key) + 1))
        # Not `resolve`: a link is what the user named.
        found = os.path.abspath((Path() if is_set else file.path.parent) / Path(path).expanduser())  # noqa: PTH100
        # A path without a suffix that does not exist may be a misspelt name of a model.
        return (
            path
            if key in (("model", "start"), ("teacher",)) and not Path(path).suffix and not Path(found).exists()
            else found
        )

    return _with_paths(file.recipe, absolute)


def _with_paths(recipe: TrainRecipe, change: Callable[[str, Key], str]) -> TrainRecipe:
    """The recipe with its paths changed; names of models, weight files and shipped recipes stay."""
    models = [model.name for model in MODELS]
    names: dict[Key, Collection[str]] = {
        ("model", "start"): ("none", *models),
        ("teacher",): models,
        ("losses", "perceptual", "network"): PERCEPTUAL_NETWORKS,
        ("data", "degradation"): DEGRADATIONS,
    }

    def changed(value: Any, key: Key) -> Any:  # noqa: ANN401  any part of a recipe
        if key == ("data", "degradation") and isinstance(value, dict):  # paths and their shares
            return {name if name in DEGRADATIONS else change(name, key): share for name, share in value.items()}
        if isinstance(value, dict):
            return {name: changed(part, (*key, name)) for name, part in value.items()}
        if isinstance(value, tuple) and value and isinstance(value[0], dict):
            return tuple(changed(part, (*key, number)) for number, part in enumerate(value))
        pattern = tuple("*" if isinstance(part, int) else part for part in key)
        if value is None or pattern not in _PATHS or value in names.get(key, ()):
            return value
        is_weight_file = key == ("discriminator", "start") and weights.is_name(value)
        return value if is_weight_file else change(value, key)

    return TrainRecipe.model_validate(changed(recipe.model_dump(), ()))
