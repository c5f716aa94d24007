"""Configuration: TOML into frozen, typed models; unknown keys are errors, and all problems are named at once."""

import tomllib
from pathlib import Path
from typing import Annotated, Self, TypeVar

import tomlkit
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from aimanga.atomic import replacing
from aimanga.errors import UsageError


class Config(BaseModel):
    """Base of all configuration: cannot be changed, knows its keys, has a description for each."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    def replaced(self, **changes: object) -> Self:
        """A copy with other values, checked as a new one."""
        return self.model_validate(self.model_dump() | changes)


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"the lower end {limits[0]:g} is above the upper end {limits[1]:g}")
    return limits


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""Two numbers, the lower one first: from where to where something is drawn."""

AnyConfig = TypeVar("AnyConfig", bound=Config)


def load(kind: type[AnyConfig], path: Path) -> AnyConfig:
    """Read a TOML file.

    Args:
        kind: The model that it has to fit.
        path: The file.

    Raises:
        UsageError: The file is missing, is no TOML, or does not fit; the message names every key that is wrong.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a TOML file: {error}") from error
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{path}: {explain(error)}") from error


def write_toml(config: Config, path: Path, comment: str = "") -> None:
    """Write a configuration so that `load` gives it again, defaults and all.

    Args:
        config: What to write.
        path: The file; an existing one is replaced.
        comment: Lines to put at its head.
    """
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    with replacing(path) as part:
        part.write_text(head + tomlkit.dumps(config.model_dump(mode="json", exclude_none=True)), encoding="utf-8")


def explain(error: ValidationError) -> str:
    """All problems of a configuration in one line: where, and what."""
    problems = []
    for detail in error.errors():
        where = ".".join(str(part) for part in detail["loc"])
        what = "there is no such key" if detail["type"] == "extra_forbidden" else detail["msg"]
        problems.append(f"{where}: {what}" if where else what)
    return "; ".join(problems)
