"""Configuration: TOML into frozen, typed models; unknown keys are errors, and all problems are named at once."""

import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Self, TypeVar

import tomlkit
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from aimanga.atomic import replacing
from aimanga.errors import UsageError


class Config(BaseModel):
    """Base of all configuration: frozen, without unknown keys, with a description for each field."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    def replaced(self, **changes: object) -> Self:
        """A copy with other values, validated."""
        return self.model_validate(dict(self) | changes)


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"the lower end {limits[0]:g} is above the upper end {limits[1]:g}")
    return limits


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""Two numbers, the lower one first: from where to where something is drawn."""

AnyConfig = TypeVar("AnyConfig", bound=Config)


Key = tuple[str | int, ...]
"""Where a value stands in a file: names of tables and keys, numbers of the elements of arrays."""


def load(kind: type[AnyConfig], path: Path) -> AnyConfig:
    """Read a TOML file.

    Args:
        kind: The model that it has to fit.
        path: The file.

    Raises:
        UsageError: The file is missing, is no TOML, or does not fit; the message names every key that is wrong, and
            its line.
    """
    text, content = read_toml(path)
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{path}: {explain(error, key_lines(text))}") from error


def read_toml(path: Path) -> tuple[str, dict[str, object]]:
    """Read a TOML file of any content.

    Returns:
        Its text, and what that says.

    Raises:
        UsageError: The file is missing, or is no TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a TOML file: {error}") from error


def recipe_file(kind: str, recipe: str | Path, shipped: Collection[str]) -> Path:
    """Find the file of a recipe.

    Args:
        kind: What it is for: `degrade`, `train`, `benchmark`.
        recipe: The name of one that is shipped, or a TOML file.
        shipped: The names of those that are.

    Raises:
        UsageError: It is meant as a name, and there is none like it.
    """
    if str(recipe) in shipped:
        package = Path(__file__).parent
        installed = package / "recipes" / f"{kind}-{recipe}.toml"
        # In a checkout they lie beside the sources; a built package has them inside.
        return installed if installed.is_file() else package.parents[1] / "recipes" / installed.name
    path = Path(recipe)
    if not path.exists() and not path.suffix:
        raise UsageError(f"{recipe}: no such file, and the recipes that come with aimanga are {', '.join(shipped)}")
    return path


def to_toml(config: Config) -> str:
    """A configuration as TOML, defaults and all."""
    return tomlkit.dumps(config.model_dump(mode="json", exclude_none=True))


def write_toml(config: Config, path: Path, comment: str = "") -> None:
    """Write a configuration, defaults included, so that `load` returns it.

    Args:
        config: What to write.
        path: The file; an existing one is replaced.
        comment: Lines to put at its head.
    """
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    with replacing(path) as part:
        part.write_text(head + to_toml(config), encoding="utf-8")


def explain(error: ValidationError, lines: Mapping[Key, int | str] | None = None) -> str:
    """All problems of a configuration in one line: where, and what.

    Args:
        error: The problems.
        lines: The lines of a file's keys, as `key_lines` finds them, or the options that were used instead.
    """
    problems = []
    for detail in error.errors():
        # The kind of a table that can be of several, `<model>` say, is none of its keys.
        key = tuple(part for part in detail["loc"] if not str(part).startswith("<"))
        where = place(key, lines or {})
        what = "there is no such key" if detail["type"] == "extra_forbidden" else detail["msg"]
        what = what.removeprefix("Value error, ")
        problems.append(f"{where}: {what}" if where else what)
    return "; ".join(problems)


def place(key: Key, lines: Mapping[Key, int | str]) -> str:
    """A key as people look for it: `line 7, stages.0.noise`; the line is that of its table where it is missing."""
    name = ".".join(str(part) for part in key)
    for length in range(len(key), 0, -1):
        line = lines.get(key[:length])
        if line is not None:
            return f"line {line}, {name}" if isinstance(line, int) else f"{line} {name}"
    return name


_NAME = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED = rf"{_NAME}(?:\s*\.\s*{_NAME})*"
_LINE = re.compile(rf"\s*(?:\[\[(?P<array>\s*{_DOTTED}\s*)\]\]|\[(?P<table>\s*{_DOTTED}\s*)\]|(?P<key>{_DOTTED})\s*=)")
_LONG_TEXT = re.compile(r'''"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'''', re.DOTALL)


def key_lines(text: str) -> dict[Key, int]:
    """Find the lines of a TOML file in which its tables and keys begin; the keys of an inline table are its own.

    Args:
        text: A valid TOML file.

    Returns:
        Numbers of lines, the first is 1, by the keys as `tomllib` nests them.
    """
    lines: dict[Key, int] = {}
    elements: dict[Key, int] = {}
    table: Key = ()
    # Texts of several lines may hold what looks like keys.
    flat = _LONG_TEXT.sub(lambda found: "\n" * found[0].count("\n"), text)
    for number, line in enumerate(flat.split("\n"), 1):
        match = _LINE.match(line)
        if match is None:
            continue
        names = tuple(name.strip("\"'") for name in re.findall(_NAME, match[match.lastgroup or 0]))
        if match.lastgroup == "key":
            _note(table + names, number, lines)
            continue
        table = ()
        for name in names:
            table += (name,)
            if table in elements and (match.lastgroup == "table" or table != names):
                table += (elements[table],)
        if match.lastgroup == "array":
            elements[table] = elements.get(table, -1) + 1
            table += (elements[table],)
        _note(table, number, lines)
    return lines


def _note(key: Key, number: int, lines: dict[Key, int]) -> None:
    """Note the line of a key, and of the tables that it is in where they are not named before."""
    for length in range(1, len(key) + 1):
        lines.setdefault(key[:length], number)
