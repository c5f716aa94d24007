"""Generated tables of the documentation: options, recipes and catalogues. MkDocs calls `on_page_markdown`.

A line of a page that is one of these comments is replaced by a table:

    <!-- options: aimanga.upscale.options.UpscaleOptions -->    the options of a verb, as `--name`
    <!-- recipe: aimanga.degrade.recipe.Recipe -->              the keys of a TOML file, a table for each of its tables
    <!-- metrics -->, <!-- models -->, <!-- weights -->         the catalogues
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from aimanga.config import Config
from aimanga.options import options_of

PLACEHOLDER = re.compile(r"^<!-- (options|recipe|metrics|models|weights)(?:: ([\w.]+))? -->$", re.MULTILINE)
LIMITS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replace the placeholders of a page."""
    return PLACEHOLDER.sub(lambda match: _generated(match[1], match[2]), markdown)


def _generated(kind: str, name: str | None) -> str:
    if name is None:
        return {"metrics": metrics_table, "models": models_table, "weights": weights_table}[kind]()
    module, _, model = name.rpartition(".")
    return {"options": options_table, "recipe": recipe_tables}[kind](getattr(import_module(module), model))


# Options and recipes


def options_table(model: type[Config]) -> str:
    """The options of a verb: name on the command line, value, default, limits, meaning."""
    return _options_table(
        ("option", "type", "default", "limits", "meaning"),
        (
            (
                ", ".join(f"`{name}`" for name in (option.name, option.flag.short) if name),
                "" if option.is_flag else ", ".join(f"`{part}`" for part in option.metavar.split("|")),
                option.flag.default or (f"`{option.default_text}`" if option.default_text else ""),
                option.limits,
                option.description,
            )
            for option in options_of(model)
        ),
    )


def recipe_tables(model: type[BaseModel]) -> str:
    """The keys of a TOML file: one table for the model itself and for each model that a field of it holds."""
    parts = []
    for title, part in _tables_of(model):
        about = " ".join((part.__doc__ or "").split("\n\n")[0].split())
        rows = ((f"`{name}`", *_columns(field)) for name, field in part.model_fields.items())
        parts += [f"**{title}**: {about}", _options_table(("key", "type", "default", "limits", "meaning"), rows)]
    return "\n\n".join(parts)


def _tables_of(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """A model and all within it, each once, with the headers that it has in a file."""
    headers: dict[type[BaseModel], list[str]] = {model: ["top level"]}

    def visit(part: type[BaseModel], path: str) -> None:
        for name, field in part.model_fields.items():
            place = f"{path}.{name}" if path else name
            for inner in _models_in(field.annotation):
                known = inner in headers
                header = f"`[[{place}]]`" if _is_array(field.annotation) else f"`[{place}]`"
                headers.setdefault(inner, []).append(header)
                if not known:
                    visit(inner, place)

    visit(model, "")
    return ((", ".join(titles), part) for part, titles in headers.items())


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _is_array(annotation: object) -> bool:
    if get_origin(annotation) in (tuple, list):
        return True
    return any(_is_array(argument) for argument in get_args(annotation))


def _columns(field: FieldInfo) -> tuple[str, str, str, str]:
    return (
        _type(field.annotation),
        _default(field),
        ", ".join(_limits([*field.metadata, *_annotations(field.annotation)])),
        " ".join((field.description or "").split()),
    )


def _type(annotation: object) -> str:
    """A type as users call it: number, text, a or b, several of them."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{argument}`" for argument in arguments)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_type(argument) for argument in arguments if argument is not NoneType))
    if origin is tuple and Ellipsis not in arguments:
        return f"{len(arguments)} {_plural(_type(arguments[0]))}"
    if origin is not None and issubclass(origin, Mapping):
        return f"table: {_type(arguments[1])} by name"
    if origin is not None and issubclass(origin, Iterable):
        return f"list: {_type(arguments[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    names = {bool: "switch", int: "integer", float: "number", str: "text", Path: "path"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _plural(noun: str) -> str:
    return noun if noun.endswith("s") else noun + "s"


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default is PydanticUndefined:
        return "required"
    if default is None or default == () or default == "":
        return ""
    if isinstance(default, BaseModel):
        return "its defaults"
    return f"`{_toml(default)}`"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return f"{value}"


def _annotations(annotation: object) -> Iterator[object]:
    """What `Annotated` says within a type: the limits of the elements of a tuple, of one side of a union."""
    if get_origin(annotation) is Annotated:
        for note in get_args(annotation)[1:]:
            yield from note.metadata if isinstance(note, FieldInfo) else [note]
    for argument in get_args(annotation):
        yield from _annotations(argument)


def _limits(notes: Iterable[object]) -> list[str]:
    found = [
        f"{sign} {getattr(note, name):g}" for note in notes for name, sign in LIMITS.items() if hasattr(note, name)
    ]
    return list(dict.fromkeys(found))


# Catalogues


def metrics_table() -> str:
    """All metrics with what they need and how they look at a picture."""
    from aimanga.metrics import METRICS

    return _table(
        ("metric", "better", "reference", "smallest picture", "weights", "protocol"),
        (
            (
                f"`{metric.name}`",
                metric.better,
                "yes" if metric.needs_reference else "",
                "{1} x {0}".format(*metric.smallest),
                ", ".join(f"`{name}`" for name in metric.weights),
                metric.protocol,
            )
            for metric in METRICS
        ),
    )


def models_table() -> str:
    """All models with their licences and sources."""
    from aimanga.models import MODELS
    from aimanga.models.packaged import PackagedWeights
    from aimanga.models.shipped import ShippedWeights
    from aimanga.weights import WeightFile

    kinds = {ShippedWeights: "shipped", PackagedWeights: "package", WeightFile: "fetch"}
    return _table(
        ("model", "scale", "for", "network", "trained on", "licence", "weights"),
        (
            (
                f"`{model.name}`",
                f"x{model.scale}",
                model.purpose,
                model.network,
                model.training_data,
                model.license,
                kinds[type(model.weights)],
            )
            for model in MODELS
        ),
    )


def weights_table() -> str:
    """All weight files that can be fetched, with their sizes in MB where they are published."""
    from aimanga.weights import WEIGHT_FILES

    return _table(
        ("name", "for", "licence", "source"),
        ((f"`{file.name}`", file.purpose, file.license, f"<{file.url}>") for file in WEIGHT_FILES),
    )


def _options_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table that becomes a list on a narrow screen."""
    return f'<div class="options" markdown>\n\n{_table(head, rows)}\n\n</div>'


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
