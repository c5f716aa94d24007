"""Command-line options made from the option models of the verbs."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from aimanga.config import Config
from aimanga.options import Option, changed, options_of

Inputs = Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Pictures and folders.", show_default=False)]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.", show_default=False)]

Result = TypeVar("Result")


def with_options(command: Callable[..., Result]) -> Callable[..., Result]:
    """Turn the parameter `options` of a command, a model, into command-line options.

    Every value arrives as text, and the model checks it: the messages are those of the Python function.
    """
    signature = inspect.signature(command)
    kind: type[Config] = signature.parameters["options"].annotation
    declared = tuple(options_of(kind))
    own = [parameter for name, parameter in signature.parameters.items() if name != "options"]

    @wraps(command)
    def run(**given: Any) -> Result:  # noqa: ANN401  whatever the options hold
        values = {option.field: _value(option, given.pop(option.field)) for option in declared}
        options = changed(kind(), {name: value for name, value in values.items() if value is not None})
        return command(**given, options=options)

    parameters = [*own, *map(_parameter, declared)]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _parameter(option: Option) -> inspect.Parameter:
    names = [option.name, *([option.flag.short] if option.flag.short else [])]
    text = f"{option.description} ({option.limits})" if option.limits else option.description
    panel = option.flag.panel or None
    default: object = None
    if option.is_flag:
        kind: Any = bool
        default = option.default
        found = typer.Option(*names, help=text, show_default=False, rich_help_panel=panel)
    else:
        kind = list[str] | None if option.flag.repeated else str | None
        # What is not given must not replace a value of a nested model that comes from a file.
        default = (option.default_text or None) if option.table is None and not option.flag.repeated else None
        shown = option.flag.default or bool(option.default_text)
        found = typer.Option(*names, help=text, metavar=option.metavar, show_default=shown, rich_help_panel=panel)
    return inspect.Parameter(
        option.field, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, found]
    )


def _value(option: Option, given: Any) -> object:  # noqa: ANN401
    if option.is_tuple and isinstance(given, str):
        return tuple(part.strip() for part in given.split(",") if part.strip())
    return tuple(given) if isinstance(given, list) else given
